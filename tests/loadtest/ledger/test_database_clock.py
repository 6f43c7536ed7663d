import contextlib
import time
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import psycopg2
import pytest

from loadtest.ledger.connections import connect_postgres
from loadtest.ledger.database_clock import DatabaseClock, Fineness, read_clock
from loadtest.ledger.databases.in_postgres import NOW
from loadtest.stack import Services

MS = 1_000_000
# Functions of ours come before Postgres's own in this database: its clock is two and a half seconds ahead.
AHEAD = """
CREATE SCHEMA skewed;
CREATE FUNCTION skewed.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
    AS $$ SELECT pg_catalog.clock_timestamp() + interval '{}' $$;
ALTER DATABASE {} SET search_path = skewed, pg_catalog, public;
"""


def executed(url: str, *statements: str) -> None:
    """Run them, each by itself."""
    with contextlib.closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        for statement in statements:
            cursor.execute(statement)


@pytest.fixture
def ahead(services: Services, request: pytest.FixtureRequest) -> Iterator[str]:
    """A database whose clock is ahead by the parameter."""
    name = "clock_ahead"
    address = urlunsplit(urlsplit(services.postgres)._replace(path=f"/{name}"))
    executed(services.postgres, f"CREATE DATABASE {name}")
    try:
        executed(address, AHEAD.format(request.param, name))
        yield address
    finally:
        executed(services.postgres, f"DROP DATABASE {name} WITH (FORCE)")


def clock_of(url: str) -> DatabaseClock:
    engine = connect_postgres(url)
    try:
        return read_clock(engine, NOW)
    finally:
        engine.dispose()


def test_the_clock_of_this_machine_is_our_own(services: Services) -> None:
    clock = clock_of(services.postgres)
    assert 0 < clock.uncertainty_ns < 100 * MS
    assert abs(clock.offset_ns) <= clock.uncertainty_ns + MS


@pytest.mark.parametrize(("ahead", "offset_s"), [("2.5 s", 2.5), ("-2 s", -2.0), ("8 h", 28_800.0)], indirect=["ahead"])
def test_a_clock_that_is_ahead_or_behind_is_measured(ahead: str, offset_s: float) -> None:
    clock = clock_of(ahead)
    assert abs(clock.offset_ns - offset_s * 1e9) <= clock.uncertainty_ns + MS
    now_ns = time.time_ns()
    assert clock.ours(now_ns + clock.offset_ns) == now_ns


def test_a_row_without_a_time_has_none_by_our_clock_either() -> None:
    assert DatabaseClock(5, 1).ours(None) is None


@pytest.mark.parametrize(
    ("times_ns", "uncertainty_ns"),
    [
        ([1_767_225_600 * 10**9, 1_767_225_601 * 10**9], 10**9),
        ([1_767_225_600 * 10**9, 1_767_225_601_500 * 10**6], 3 * MS),
        ([1_767_225_600_000_001_000], 2 * MS),
        ([], 2 * MS),
        ([None], 2 * MS),
    ],
)
def test_times_in_whole_seconds_cannot_be_held_against_ours_more_finely(
    times_ns: list[int | None], uncertainty_ns: int
) -> None:
    """And no more coarsely than a run can still be judged by."""
    fineness = Fineness()
    for time_ns in times_ns:
        fineness.note(time_ns)
    assert fineness.widened(DatabaseClock(5, 2 * MS)) == DatabaseClock(5, uncertainty_ns)


def test_a_clock_that_is_worse_than_its_column_stays_as_it_is() -> None:
    fineness = Fineness()
    fineness.note(1_767_225_600 * 10**9)
    assert fineness.widened(DatabaseClock(5, 3 * 10**9)) == DatabaseClock(5, 3 * 10**9)
    assert fineness.widened(None) is None
