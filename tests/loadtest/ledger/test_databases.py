"""Reads of every kind of database say the same of the same orders."""

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pymysql
import pytest
import sqlalchemy as sa

from loadtest.errors import UsageError
from loadtest.ledger.databases import dialect_of, in_mysql, in_sqlite, said
from loadtest.ledger.rows import Row
from loadtest.ledger.sources import Reader
from loadtest.ledger.sql_sources import NotThere
from loadtest.manifest.final import Source
from loadtest.stack import Services

NS = 10**9
MOMENT_S = 1_767_225_600  # 2026-01-01 00:00 UTC
ROWS = Source(sql="SELECT number, buyer, created_at, quantity, item FROM bought WHERE sale = :sale")

Execute = Callable[..., None]


@pytest.fixture
def shop(request: pytest.FixtureRequest, mysql: str, tmp_path: Path) -> Iterator[tuple[str, Execute]]:
    """The URL of a database of that kind, and what executes statements in it as the shop would."""
    if request.param == "sqlite":
        file = sqlite3.connect(tmp_path / "a shop.db", isolation_level=None)
        with contextlib.closing(file):
            yield f"sqlite:///{tmp_path}/a shop.db", lambda *statements: [file.execute(each) for each in statements]
        return
    with contextlib.closing(
        pymysql.connect(host="127.0.0.1", user="root", database=mysql.rpartition("/")[2], autocommit=True)
    ) as server:

        def execute(*statements: str) -> None:
            with server.cursor() as cursor:
                for each in statements:
                    cursor.execute(each)

        execute("DROP TABLE IF EXISTS bought")
        yield mysql, execute


both = pytest.mark.parametrize("shop", ["mysql", "sqlite"], indirect=True)
in_mysql_only = pytest.mark.parametrize("shop", ["mysql"], indirect=True)
in_sqlite_only = pytest.mark.parametrize("shop", ["sqlite"], indirect=True)


@contextlib.contextmanager
def reading(url: str) -> Iterator[Reader]:
    with contextlib.closing(Reader(Services("", "", ""), "s", 3, url)) as reader:
        yield reader


@both
def test_orders_are_read_with_what_they_tell(shop: tuple[str, Execute]) -> None:
    url, execute = shop
    execute(
        "CREATE TABLE bought (sale VARCHAR(9), number BIGINT, buyer VARCHAR(99), created_at BIGINT, quantity INT, item VARCHAR(9))",
        f"INSERT INTO bought VALUES ('s', 7205759403792793601, 'b-1', {MOMENT_S}000, 2, 'sku-1'), ('s', 2, NULL, NULL, NULL, NULL)",
        "INSERT INTO bought VALUES ('another', 3, 'b-1', 1, 9, 'sku-1')",
    )
    with reading(url) as reader:
        reader.check("rows", ROWS)
        assert sorted(reader.rows(ROWS), key=lambda row: str(row.number)) == [
            Row("2"),
            Row("7205759403792793601", "b-1", MOMENT_S * NS, 2, "sku-1"),
        ]
        assert (reader.count(ROWS), reader.units(ROWS)) == (2, 3)
        assert reader.columns(ROWS) == {"number", "buyer", "created_at", "quantity", "item"}
        fewer = Source(sql="SELECT number, sale AS shop FROM bought WHERE buyer LIKE 'b%' AND sale = :sale -- ours")
        assert list(reader.rows(fewer)) == [Row("7205759403792793601")]
        assert reader.columns(fewer) == {"number"}
        assert reader.left(Source(sql="SELECT :stock - count(*) FROM bought WHERE sale = :sale;")) == 1
        assert list(reader.pairs(Source(sql="SELECT number, buyer FROM bought WHERE sale = 'another'"))) == [
            ("3", "b-1")
        ]


@both
@pytest.mark.parametrize(
    ("sql", "sentence"),
    [
        ("SELECT numbr FROM bought", r"\[final\] rows: .*numbr.*; mend its sql"),
        ("SELEC 1", r"\[final\] rows: .*syntax.*; mend its sql"),
        ("SELECT sale, buyer AS user_id FROM bought", r"rows: expected columns number, buyer, .*, found sale, user_id; select what"),
        ("SELECT number, buyer AS createdAt FROM bought", r"rows: found the column 'createdAt'; select it AS created_at"),
        ("SELECT number FROM nowhere", r"\[final\] rows: .*nowhere.*; mend its sql, or have \[prepare\] make"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_told_in_one_line(shop: tuple[str, Execute], sql: str, sentence: str) -> None:
    url, execute = shop
    execute("CREATE TABLE bought (sale VARCHAR(9), number VARCHAR(9), buyer VARCHAR(9))")
    with reading(url) as reader, pytest.raises(UsageError, match=sentence) as error:
        reader.check("rows", Source(sql=sql))
    assert "\n" not in str(error.value)
    assert isinstance(error.value, NotThere) is ("nowhere" in sql)


@in_mysql_only
@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("TIMESTAMP(6) NULL", "FROM_UNIXTIME(1767225600)"),
        ("DATETIME(6)", "FROM_UNIXTIME(1767225600)"),
        ("DATETIME", "FROM_UNIXTIME(1767225600)"),
        ("BIGINT", "1767225600000"),
        ("INT", "1767225600"),
        ("DOUBLE", "1767225600"),
        ("DECIMAL(20, 6)", "1767225600"),
    ],
)
@pytest.mark.parametrize("zone", ["+00:00", "+08:00"])
def test_a_moment_of_mysql_is_read_in_the_servers_zone(
    shop: tuple[str, Execute], monkeypatch: pytest.MonkeyPatch, kind: str, value: str, zone: str
) -> None:
    """As NOW() is written there. Whoever writes in another zone must select it in the server's."""
    url, execute = shop
    assert in_mysql.IN_SERVERS_ZONE == "SET time_zone = @@global.time_zone"
    monkeypatch.setattr(in_mysql, "IN_SERVERS_ZONE", f"SET time_zone = '{zone}'")
    execute(f"CREATE TABLE bought (number INT, created_at {kind})")
    execute(f"SET time_zone = '{zone}'", f"INSERT INTO bought VALUES (1, {value})")
    with reading(url) as reader:
        (row,) = reader.rows(Source(sql="SELECT number, created_at FROM bought"))
        clock = reader.clock(ROWS)
    assert row.created_ns == MOMENT_S * NS
    assert clock is not None
    assert abs(clock.offset_ns) <= clock.uncertainty_ns + NS // 1000


@in_mysql_only
@pytest.mark.parametrize("kind", ["VARCHAR(30)", "DATE", "TIME", "TINYINT", "TEXT", "YEAR"])
def test_what_is_no_moment_of_mysql_is_refused_with_the_remedy(shop: tuple[str, Execute], kind: str) -> None:
    url, execute = shop
    execute(f"CREATE TABLE bought (number INT, created_at {kind})")
    found = kind.partition("(")[0].lower()
    with (
        reading(url) as reader,
        pytest.raises(UsageError, match=rf"expected datetime or timestamp, found {found}; .*epoch"),
    ):
        reader.check("rows", Source(sql="SELECT number, created_at FROM bought"))


@in_mysql_only
def test_identifiers_in_bytes_are_text_or_hexadecimal(shop: tuple[str, Execute]) -> None:
    url, execute = shop
    execute(
        "CREATE TABLE bought (number BINARY(4), buyer VARBINARY(9))", "INSERT INTO bought VALUES (x'00ff00ff', 'b-1')"
    )
    with reading(url) as reader:
        assert list(reader.rows(Source(sql="SELECT number, buyer FROM bought"))) == [Row("00ff00ff", "b-1")]


@in_sqlite_only
@pytest.mark.parametrize(
    "value",
    [
        "'2026-01-01 00:00:00'", "'2026-01-01T00:00:00.000Z'", "'2026-01-01 08:00:00.000000+08:00'", "1767225600", "1767225600.0",
        "1767225600000", "'1767225600'", "datetime(1767225600, 'unixepoch')",
    ],
)  # fmt: skip
def test_a_moment_of_sqlite_is_read_as_what_it_is_however_it_is_written(shop: tuple[str, Execute], value: str) -> None:
    url, execute = shop
    execute("CREATE TABLE bought (number, created_at)", f"INSERT INTO bought VALUES (1, {value}), (2, NULL)")
    with reading(url) as reader:
        found = list(reader.rows(Source(sql="SELECT number, created_at FROM bought ORDER BY number")))
    assert found == [Row("1", created_ns=MOMENT_S * NS), Row("2")]


@in_sqlite_only
@pytest.mark.parametrize("value", ["'yesterday'", "'2026-01-01'", "3", "x'00'"])
def test_what_is_no_moment_of_sqlite_is_refused(shop: tuple[str, Execute], value: str) -> None:
    url, execute = shop
    execute("CREATE TABLE bought (number, created_at)", f"INSERT INTO bought VALUES (1, {value})")
    with (
        reading(url) as reader,
        pytest.raises(UsageError, match=r"created_at: expected (a moment|an epoch), found .*; give it as"),
    ):
        list(reader.rows(Source(sql="SELECT number, created_at FROM bought")))


@in_sqlite_only
@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_a_file_is_read_while_the_shop_writes_and_is_never_written(shop: tuple[str, Execute], mode: str) -> None:
    url, execute = shop
    execute(f"PRAGMA journal_mode = {mode}", "CREATE TABLE bought (number)", "INSERT INTO bought VALUES (1)")
    counted = Source(sql="SELECT number FROM bought")
    with reading(url) as reader:
        assert reader.count(counted) == 1
        execute("INSERT INTO bought VALUES (2)")
        assert reader.count(counted) == 2, "what is in the log alone counts, too"
        clock = reader.clock(counted)
        assert clock is not None
        assert clock.offset_ns == 0, "the times of a file are this machine's"
        with pytest.raises(sa.exc.OperationalError, match="readonly"), reader.database.engine.connect() as connection:
            connection.execute(sa.text("INSERT INTO bought VALUES (3)"))
        assert in_sqlite.unfelt(reader.database.engine) is (mode == "wal")


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with reading(f"sqlite:///{tmp_path}/nothing.db") as reader:
        assert not reader.database.answers()
    assert list(tmp_path.iterdir()) == []


def test_a_long_answer_of_sqlite_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_sqlite, "ANSWER_S", 0.2)
    sqlite3.connect(tmp_path / "x.db").close()
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS number FROM n"
    with reading(f"sqlite:///{tmp_path}/x.db") as reader, pytest.raises(sa.exc.OperationalError, match="interrupted"):
        reader.count(Source(sql=endless))


@in_mysql_only
def test_a_statement_that_takes_too_long_is_ended_by_the_server(
    shop: tuple[str, Execute], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, _ = shop
    monkeypatch.setattr(in_mysql, "STATEMENT_S", 0.3)
    with reading(url) as reader, pytest.raises(sa.exc.DBAPIError) as error:
        reader.count(
            Source(
                sql="SELECT a.table_name AS number FROM information_schema.columns a, information_schema.columns b, information_schema.columns c"
            )
        )
    assert "max_statement_time" in said(error.value) or "maximum statement execution time" in said(error.value)


@in_mysql_only
def test_an_answer_that_does_not_come_is_not_waited_for(shop: tuple[str, Execute]) -> None:
    url, execute = shop
    execute("CREATE TABLE bought (number INT) ENGINE = InnoDB")
    execute("LOCK TABLES bought WRITE")
    engine = in_mysql.connect(url, answer_s=0.3)
    try:
        began = time.monotonic()
        with pytest.raises(sa.exc.OperationalError, match="timed out"), engine.connect() as connection:
            connection.execute(sa.text("SELECT * FROM bought"))
        assert time.monotonic() - began < 5
    finally:
        execute("UNLOCK TABLES")
        engine.dispose()


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("mysqll://h/d", r"SQLAlchemy knows no database 'mysqll'; nearest valid: 'mysql'; or read it by a command"),
        ("mongodb://h/d", r"SQLAlchemy knows no database 'mongodb'; .*; or read it by a command"),
        ("oracle+oracledb://h/d", r"oracle\+oracledb needs the Python package oracledb, which is not installed; .* command"),
        ("shop.db", r"expected the URL of a database"),
        ("", r"expected the URL of a database"),
        ("mysql://h:port/d", r"not a URL of MySQL; expected such as mysql://user:password@127.0.0.1:3306/shop"),
    ],
)  # fmt: skip
def test_a_url_of_nothing_is_told_with_what_to_write(url: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=rf"^\[truth\] url: .*{sentence}|^\[truth\] url: {sentence}"):
        dialect_of(url)


def test_another_dialect_is_read_plainly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As SQLAlchemy reads it: here SQLite's, which then has no deadline of ours and no clock."""
    monkeypatch.setattr("loadtest.ledger.databases.dialects", dict)
    with contextlib.closing(sqlite3.connect(tmp_path / "x.db")) as file:
        file.execute("CREATE TABLE bought (number, created_at)")
        file.execute("INSERT INTO bought VALUES (1, '2026-01-01 00:00:00')")
        file.commit()
    source = Source(sql="SELECT number, created_at FROM bought")
    with reading(f"sqlite:///{tmp_path}/x.db") as reader:
        assert list(reader.rows(source)) == [Row("1", created_ns=MOMENT_S * NS)]
        assert reader.clock(source) is None
        with pytest.raises(NotThere):
            reader.check("rows", Source(sql="SELECT number FROM nowhere"))
