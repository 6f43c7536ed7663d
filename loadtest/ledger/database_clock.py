"""The clock of the shop's database, against the harness's: rows carry its times, and everything else carries ours."""

import time
from dataclasses import dataclass

import sqlalchemy as sa

ROUND_TRIPS = 9
NOW = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"


@dataclass(frozen=True)
class DatabaseClock:
    """By how many nanoseconds the database's clock is ahead of ours, give or take `uncertainty_ns`."""

    offset_ns: int
    uncertainty_ns: int

    def ours(self, theirs_ns: int | None) -> int | None:
        """A time of the database's clock by ours."""
        return None if theirs_ns is None else theirs_ns - self.offset_ns


def read_clock(engine: sa.Engine) -> DatabaseClock:
    """Ask the database for its time, several times. The answer that came soonest counts: it was given at most half its round trip from the middle.

    Raises SQLAlchemy's errors.
    """
    with engine.connect() as connection:
        answers = [_asked(connection) for _ in range(ROUND_TRIPS)]
    return min(answers, key=lambda clock: clock.uncertainty_ns)


def _asked(connection: sa.Connection) -> DatabaseClock:
    asked_ns = time.time_ns()
    theirs_ns = int(connection.execute(sa.text(NOW)).scalar_one()) * 1000
    answered_ns = time.time_ns()
    return DatabaseClock(theirs_ns - (asked_ns + answered_ns) // 2, (answered_ns - asked_ns + 1) // 2)
