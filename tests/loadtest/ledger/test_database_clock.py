import contextlib
import time
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import psycopg2
import pytest

from loadtest.ledger.connections import connect_postgres
from loadtest.ledger.database_clock import DatabaseClock, read_clock
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
        return read_clock(engine)
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
