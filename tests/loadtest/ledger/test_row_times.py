import contextlib
import time
from collections.abc import Iterator

import psycopg2
import pytest

from loadtest.errors import UsageError
from loadtest.ledger.row_times import from_epoch
from loadtest.ledger.sources import Reader
from loadtest.manifest.final import Source
from loadtest.stack import Services

MOMENT_S = 1_767_225_600  # 2026-01-01 00:00 UTC
NS = 10**9


@pytest.fixture
def reader(services: Services) -> Iterator[Reader]:
    with contextlib.closing(Reader(services, "s", 3)) as opened:
        yield opened


def created(reader: Reader, expression: str) -> int | None:
    """What is read of a row with that `created_at`."""
    (row,) = reader.rows(Source(sql=f"SELECT 1 AS number, 2 AS buyer, {expression} AS created_at"))
    return row.created_ns


@pytest.mark.parametrize(
    "expression",
    [
        "'2026-01-01 00:00+00'::timestamptz",
        "'2026-01-01 08:00+08'::timestamptz",
        f"{MOMENT_S}::int",
        f"{MOMENT_S}::bigint",
        f"{MOMENT_S}::double precision",
        f"{MOMENT_S}::numeric",
        f"{MOMENT_S}000::bigint",
        f"{MOMENT_S}000000::bigint",
        f"{MOMENT_S}000000000::bigint",
    ],
)
def test_a_moment_is_read_as_what_it_is_however_it_is_written(reader: Reader, expression: str) -> None:
    assert created(reader, expression) == MOMENT_S * NS


@pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai", "America/New_York"])
def test_a_time_without_a_zone_is_read_in_the_zone_of_the_database(services: Services, zone: str) -> None:
    """As Postgres writes now() into such a column, whatever the zone of the session that reads it."""
    with (
        contextlib.closing(psycopg2.connect(services.postgres)) as connection,
        connection.cursor() as cursor,
    ):
        connection.autocommit = True
        cursor.execute(f"ALTER DATABASE postgres SET timezone = '{zone}'")
        try:
            with contextlib.closing(psycopg2.connect(services.postgres)) as shop, shop, shop.cursor() as writing:
                writing.execute("DROP TABLE IF EXISTS zoneless; CREATE TABLE zoneless (created_at timestamp)")
                writing.execute("INSERT INTO zoneless VALUES (now())")
            with contextlib.closing(Reader(services, "s", 3)) as reader:
                source = Source(sql="SELECT 1 AS number, 2 AS buyer, created_at FROM zoneless")
                (row,) = reader.rows(source)
        finally:
            cursor.execute("ALTER DATABASE postgres RESET timezone")
    assert row.created_ns is not None
    assert abs(time.time_ns() - row.created_ns) < 60 * NS


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("'2026-01-01 00:00'::text", "text"),
        ("'2026-01-01'::date", "date"),
        ("'10:00'::time", "time"),
        ("interval '3 s'", "interval"),
        ("true", "boolean"),
        ("3", "3"),
        ("1.5::numeric", "1.5"),
        ("'{}'::json", "type 114"),
    ],
)
def test_what_is_no_moment_is_refused_with_the_remedy(reader: Reader, expression: str, found: str) -> None:
    with pytest.raises(UsageError, match=rf"created_at: expected .*, found {found}; .*timestamptz") as error:
        created(reader, expression)
    assert "\n" not in str(error.value)


def test_an_order_without_a_time_has_none(reader: Reader) -> None:
    assert created(reader, "NULL::timestamptz") is None
    assert created(reader, "NULL::bigint") is None


@pytest.mark.parametrize(
    ("epoch", "ns"),
    [(1_767_225_600.25, 1_767_225_600_250_000_000), ("1767225600123.5", 1_767_225_600_123_500_000)],
)
def test_a_fraction_of_an_epoch_counts(epoch: object, ns: int) -> None:
    assert from_epoch(epoch) == ns
