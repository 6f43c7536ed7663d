"""The clock of the shop's database, against the harness's: rows carry its times, and everything else carries ours."""

import time
from dataclasses import dataclass

import sqlalchemy as sa

ROUND_TRIPS = 9
COARSE_NS = 1_000_000
# A clock that is less certain makes a run UNKNOWN, which times in whole seconds are no reason for.
STILL_USEFUL_NS = 1_000_000_000


@dataclass(frozen=True)
class DatabaseClock:
    """By how many nanoseconds the database's clock is ahead of ours, give or take `uncertainty_ns`."""

    offset_ns: int
    uncertainty_ns: int

    def ours(self, theirs_ns: int | None) -> int | None:
        """A time of the database's clock by ours."""
        return None if theirs_ns is None else theirs_ns - self.offset_ns


def read_clock(engine: sa.Engine, now: str) -> DatabaseClock:
    """Ask the database for its time, several times. `now`: the SQL that gives it in microseconds since the epoch.

    The answer that came soonest counts: it was given at most half its round trip from the middle.

    Raises SQLAlchemy's errors.
    """
    with engine.connect() as connection:
        answers = [_asked(connection, now) for _ in range(ROUND_TRIPS)]
    return min(answers, key=lambda clock: clock.uncertainty_ns)


def _asked(connection: sa.Connection, now: str) -> DatabaseClock:
    asked_ns = time.time_ns()
    theirs_ns = int(connection.execute(sa.text(now)).scalar_one()) * 1000
    answered_ns = time.time_ns()
    return DatabaseClock(theirs_ns - (asked_ns + answered_ns) // 2, (answered_ns - asked_ns + 1) // 2)


@dataclass
class Fineness:
    """How finely times of creation are told: `step_ns` divides all that were noted. Many a column keeps whole seconds."""

    step_ns: int = 1_000_000_000
    noted: int = 0

    def note(self, time_ns: int | None) -> None:
        """Take a time into account, in ns since the epoch."""
        if time_ns is not None:
            self.noted += 1
            while time_ns % self.step_ns:
                self.step_ns //= 1000

    def widened(self, clock: DatabaseClock | None) -> DatabaseClock | None:
        """`clock`, as far as such times can be held against it."""
        if clock is None or not self.noted or self.step_ns < COARSE_NS:
            return clock
        uncertainty_ns = max(clock.uncertainty_ns, min(clock.uncertainty_ns + self.step_ns, STILL_USEFUL_NS))
        return DatabaseClock(clock.offset_ns, uncertainty_ns)
