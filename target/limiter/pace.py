"""Paces: when the next order may start."""

import math
from collections.abc import Callable
from time import monotonic
from typing import Protocol


class Pace(Protocol):
    """Says when the next orders may start. Not thread-safe: its bucket has a lock."""

    rate_per_s: float
    most: float  # units that this worker may have felt in any second
    due_s: float | None  # of the next unit, on the clock of `time.monotonic`; None before the first

    def take(self, waiting: int = 1, together: int = 1) -> int:
        """Take `together` units once all of them are due, and none before; gives how many that is. Fewer, where so many are never due at
        once. `waiting` orders would take one. Never raises, and never blocks for long.
        """

    def when(self, together: int = 1) -> float:
        """When to ask again, after nothing was due."""

    def follow(self, earlier: "Pace") -> None:
        """Go on from where `earlier`, of another rate, stands: a new rate is no reason for a unit more."""


class Gcra:
    """The generic cell rate algorithm (ITU-T I.371; "virtual scheduling"), with lateness made up within `burst`.

    Any window of t seconds holds at most ``rate_per_s * t + burst`` units. A unit taken late by up to ``(burst - 1) / rate_per_s`` seconds
    does not delay the next one. The clock starts with the first unit, so that a sale does not begin with a burst.

    Units that are taken together are taken when the last of them is due, so that the first is late: a burst must hold them all.

    *Warning:* a burst of 1 makes up nothing, nor does one of just those taken together; every late timer then lowers the rate.
    """

    def __init__(self, rate_per_s: float, burst: int, clock: Callable[[], float] = monotonic) -> None:
        self.rate_per_s = rate_per_s
        self.most = rate_per_s + burst
        self.period_s = 1 / rate_per_s
        self.tolerance_s = (burst - 1) * self.period_s
        self.due_s: float | None = None  # on `clock`; None before the first unit
        self._burst = burst
        self._clock = clock

    def take(self, waiting: int = 1, together: int = 1) -> int:  # noqa: ARG002 - one unit is as cheap as several
        """See `Pace.take`."""
        now = self._clock()
        if self.due_s is None:
            self.due_s = now
        if self.when(together) > now:
            return 0
        together = min(together, self._burst)
        self.due_s = max(self.due_s, now - self.tolerance_s) + together * self.period_s
        return together

    def when(self, together: int = 1) -> float:
        """See `Pace.when`."""
        first = self._clock() if self.due_s is None else self.due_s
        return first + (min(together, self._burst) - 1) * self.period_s

    def follow(self, earlier: Pace) -> None:
        """The next unit is due when it was, but no later than one period of the new rate from now."""
        if earlier.due_s is not None:
            self.due_s = min(max(earlier.due_s, self._clock()), self._clock() + self.period_s)


class Unlimited:
    """The pace of tasks that only wait for each other, to start together."""

    rate_per_s = most = math.inf
    due_s: float | None = 0.0

    def take(self, waiting: int = 1, together: int = 1) -> int:  # noqa: ARG002
        """See `Pace.take`."""
        return together

    def when(self, together: int = 1) -> float:  # noqa: ARG002
        """See `Pace.when`."""
        return 0.0

    def follow(self, earlier: Pace) -> None:
        """See `Pace.follow`."""
