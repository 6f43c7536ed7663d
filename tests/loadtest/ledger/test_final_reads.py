import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import psycopg2
import pytest
import redis

import loadtest.ledger.final_reads
import loadtest.ledger.sql_sources
from loadtest.errors import UsageError
from loadtest.judge.tables import open_tables
from loadtest.ledger.database_clock import DatabaseClock
from loadtest.ledger.final_reads import Ledger
from loadtest.ledger.queue import QueueReader
from loadtest.ledger.sources import Reader
from loadtest.manifest.final import Final, Source
from loadtest.record.run_dir import RunDir, make_parts
from loadtest.stack import Services

CREATED_NS = 1_767_225_600_000_001_000
ROWS = Source(sql="SELECT 's-1' AS number, 'b-1' AS buyer, '2026-01-01 00:00:00.000001+00'::timestamptz AS created_at")
WRONG_SQL = Source(sql="SELECT nothing FROM nowhere")
SEEDED = Source(pattern="s-{n}")


@pytest.fixture
def reader(services: Services) -> Iterator[Reader]:
    with redis.Redis.from_url(services.redis) as client:
        client.delete("ledger:tokens", "ledger:claims", "ledger:rejected")
        client.rpush("ledger:tokens", "s-2")
        client.set("ledger:word", "many")
        client.hset("ledger:claims", "s-3", "b-3")
        client.hset("ledger:rejected", "s-4", "b-4")
    with contextlib.closing(Reader(services, "s", 4)) as opened:
        yield opened


@pytest.fixture
def run_dir(tmp_path: Path) -> RunDir:
    return make_parts(tmp_path)


def final(**sources: Source) -> Final:
    kept = {
        "seeded": SEEDED, "rows": ROWS, "tokens": Source(redis_list="ledger:tokens"), "claims": Source(redis_hash="ledger:claims"),
        "rejected": Source(redis_hash="ledger:rejected"),
    }  # fmt: skip
    return Final.model_validate(kept | sources)


class Broken:
    """A queue that cannot be read."""

    def entries(self) -> Iterator[tuple[str | None, str]]:
        raise OSError("amqp://shop:secret@broker:5672 is away")


@pytest.mark.parametrize(
    ("sources", "table"),
    [
        ({"tokens": WRONG_SQL}, "tokens"),
        ({"claims": WRONG_SQL}, "claims"),
        ({"rows": WRONG_SQL}, "orders"),
        ({"rejected": WRONG_SQL}, "rejected"),
        ({"claims": Source(redis_list="ledger:rejected")}, "claims"),
    ],
)
def test_a_final_read_that_fails_loses_no_other_and_the_verdict_is_told_why(
    reader: Reader, run_dir: RunDir, sources: dict[str, Source], table: str
) -> None:
    ledger = Ledger(final(**sources), reader, None, run_dir)
    ledger.read_seeded()
    ledger.read_final()
    written = {path.stem for path in run_dir.final.glob("*.parquet")}
    assert written == {"seeded", "tokens", "claims", "queue", "orders", "rejected"} - {table}
    with open_tables(run_dir.path) as tables:
        assert tables.missing[table].startswith(f"final/{table}.parquet is not there: ")
        assert "nowhere" in tables.missing[table] or "WRONGTYPE" in tables.missing[table]


def test_a_queue_that_cannot_be_read_loses_no_other_and_tells_no_password(
    reader: Reader, run_dir: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken: QueueReader = Broken()  # type: ignore[assignment]
    Ledger(final(), reader, broken, run_dir).read_final()
    assert {path.stem for path in run_dir.final.glob("*.parquet")} == {"tokens", "claims", "orders", "rejected"}
    assert (run_dir.final / "queue.failed").read_text(encoding="utf-8") == "amqp://…@broker:5672 is away\n"


def test_near_misses_that_cannot_be_read_are_not_none_at_all(reader: Reader, run_dir: RunDir) -> None:
    assert Ledger(final(near_misses=WRONG_SQL), reader, None, run_dir).near_misses() is None
    assert Ledger(final(), reader, None, run_dir).near_misses() == 0


def test_rows_are_written_with_their_times_by_our_clock(
    reader: Reader, run_dir: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loadtest.ledger.sql_sources, "read_clock", lambda *_: DatabaseClock(28_800 * 10**9, 1000))
    before_ns = time.time_ns()
    read = Ledger(final(), reader, None, run_dir).read_final()
    assert read.at_ns
    assert before_ns < read.at_ns <= time.time_ns()
    assert read.clock == DatabaseClock(28_800 * 10**9, 1000)
    rows = duckdb.sql(f"FROM '{run_dir.final}/orders.parquet'").fetchall()
    assert rows == [("s-1", "b-1", CREATED_NS - 28_800 * 10**9, None, None)]


def test_a_shop_that_keeps_its_orders_in_redis_has_no_clock_of_a_database(reader: Reader, run_dir: RunDir) -> None:
    read = Ledger(final(rows=Source(redis_hash="ledger:claims")), reader, None, run_dir).read_final()
    assert read.clock is None
    assert read.at_ns
    assert duckdb.sql(f"FROM '{run_dir.final}/orders.parquet'").fetchall() == [("s-3", "b-3", None, None, None)]


@pytest.mark.parametrize(
    ("sources", "sentence"),
    [
        (
            {"rows": Source(sql="SELECT 1 AS order_id, 2 AS user_id")},
            r"\[final\] rows: expected columns number, buyer, created_at, quantity, item, as far as .*, found order_id, user_id; select what you call",
        ),
        (
            {"rows": Source(sql='SELECT 1 AS number, 2 AS "createdAt"')},
            r"\[final\] rows: found the column 'createdAt'; select it AS created_at",
        ),
        ({"left": Source(sql="SELECT 1 AS a, 2 AS b")}, r"\[final\] left: expected one number, found 1 rows of 2"),
        (
            {"left": Source(redis_value="ledger:word")},
            r"\[final\] left: redis_value = 'ledger:word': expected a whole number, found 'many'",
        ),
        ({"left": Source(sql="SELECT 'many'::text")}, r"\[final\] left: expected a whole number, found 'many'"),
        (
            {"rows": WRONG_SQL},
            r'\[final\] rows: relation "nowhere" does not exist; mend its sql, or have \[prepare\] make what it asks for',
        ),
        ({"rows": Source(sql="SELECT 1 AS number, 2 AS buyer, '1'::text AS created_at")}, r"created_at: expected timestamptz, found text"),
        ({"tokens": Source(sql="SELECT numbr FROM (SELECT 1 AS number) AS units")}, r'\[final\] tokens: column "numbr" does not exist'),
        ({"tokens": Source(sql="SELEC 1")}, r"\[final\] tokens: syntax error"),
        ({"tokens": Source(redis_set="ledger:tokens")}, r"expected a Redis set, found a list; say redis_list"),
        ({"claims": Source(redis_list="ledger:claims")}, r"expected a Redis list, found a hash; say redis_hash"),
        ({"near_misses": Source(redis_value="ledger:claims")}, r"expected a Redis string, found a hash; say redis_hash"),
    ],
)  # fmt: skip
def test_a_source_that_cannot_be_read_is_refused_before_anybody_buys(
    reader: Reader, run_dir: RunDir, monkeypatch: pytest.MonkeyPatch, sources: dict[str, Source], sentence: str
) -> None:
    monkeypatch.setattr(loadtest.ledger.final_reads, "SETTLES_S", 0.2)
    with pytest.raises(UsageError, match=sentence):
        Ledger(final(**sources), reader, None, run_dir).check()


def test_what_is_not_there_yet_may_come(
    services: Services, reader: Reader, run_dir: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shop makes its tables while it starts; keys come with the first order."""
    with contextlib.closing(psycopg2.connect(services.postgres)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute("DROP TABLE IF EXISTS made_while_starting")

        def make(_: float) -> None:
            cursor.execute("CREATE TABLE IF NOT EXISTS made_while_starting (number text)")

        monkeypatch.setattr("time.sleep", make)
        coming = final(
            rows=Source(sql="SELECT number FROM made_while_starting"), tokens=Source(redis_list="ledger:nothing-yet")
        )
        Ledger(coming, reader, None, run_dir).check()
        cursor.execute("DROP TABLE made_while_starting")


def test_a_database_that_does_not_answer_is_told_before_anybody_buys(
    services: Services, run_dir: RunDir, closed_port: int
) -> None:
    away = f"postgresql://shop:geheim@127.0.0.1:{closed_port}/shop"
    with contextlib.closing(Reader(services, "s", 4, away)) as reader, pytest.raises(UsageError) as error:
        Ledger(final(), reader, None, run_dir).check()
    assert str(error.value).startswith("[truth] url: Postgres does not answer (")
    assert "geheim" not in str(error.value)
    assert "\n" not in str(error.value)


def test_the_columns_that_rows_have_are_told(reader: Reader, run_dir: RunDir) -> None:
    rows = Source(sql="SELECT 1 AS number, 3 AS quantity, 'sku-1' AS item, 'x' AS note")
    ledger = Ledger(final(rows=rows, left=Source(sql="SELECT 7")), reader, None, run_dir)
    assert ledger.read_final().columns == {"number", "quantity", "item"}
    assert duckdb.sql(f"FROM '{run_dir.final}/orders.parquet'").fetchall() == [("1", None, None, 3, "sku-1")]
    assert ledger.left() == 7
    assert reader.units(rows) == 3


def test_what_is_left_and_cannot_be_read_is_told(reader: Reader, run_dir: RunDir) -> None:
    assert Ledger(final(left=WRONG_SQL), reader, None, run_dir).left() is None
    assert (run_dir.final / "left.failed").read_text(encoding="utf-8") == 'relation "nowhere" does not exist\n'
    assert Ledger(final(), reader, None, run_dir).left() is None
