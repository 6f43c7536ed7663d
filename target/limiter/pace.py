"""Paces: when the next task may start. `Pace` is the contract; a unit is one task."""

import math
from collections.abc import Callable
from time import monotonic
from typing import Protocol


class Pace(Protocol):
    """Says when the next units may start. Not thread-safe: the caller, a `Bucket`, holds a lock."""

    rate_per_s: float
    most: float  # rows that this worker may write in any one second, see `target.limiter.felt`
    due_s: float | None  # of the next unit, on the clock of `time.monotonic`; None before the first

    def take(self, waiting: int = 1, together: int = 1) -> int:
        """Take units that are to start now. Returns how many: 0 until all of `together` are due, then that many; fewer if the burst is smaller.

        Never raises, and blocks for no more than a fraction of a second.

        Args:
            waiting: how many tasks wait; a pace may reserve so many units ahead.
            together: how many are to start as one batch.
        """

    def when(self, together: int = 1) -> float:
        """When to call `take` again after it returned 0, on the clock of `time.monotonic`."""

    def follow(self, earlier: "Pace") -> None:
        """Continue from the state of `earlier`, the pace before a change of rate, so that the change itself grants no extra unit."""


class Gcra:
    """The generic cell rate algorithm (ITU-T I.371; "virtual scheduling"): a rate for this worker alone, with lateness made up within `burst`.

    Any window of t seconds holds at most ``rate_per_s * t + burst`` units. A unit taken late by up to ``(burst - 1) / rate_per_s`` seconds
    does not delay the next one. The clock starts with the first unit, so that a sale does not begin with a burst.

    Units that start together start when the last of them is due, so the first is late, and the burst must hold them all.

    *Warning:* a burst no larger than the number that start together makes up nothing: every late timer then lowers the rate.
    """

    def __init__(self, rate_per_s: float, burst: int, clock: Callable[[], float] = monotonic) -> None:
        self.rate_per_s = rate_per_s
        self.most = rate_per_s + burst
        self.period_s = 1 / rate_per_s
        self.tolerance_s = (burst - 1) * self.period_s
        self.due_s: float | None = None  # on `clock`; None before the first unit
        self._burst = burst
        self._clock = clock

    def take(self, waiting: int = 1, together: int = 1) -> int:  # noqa: ARG002 - nothing is gained by reserving ahead
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
        """See `Pace.follow`. The next unit is due when it was before, but no later than one period of the new rate from now."""
        if earlier.due_s is not None:
            self.due_s = min(max(earlier.due_s, self._clock()), self._clock() + self.period_s)


class Unlimited:
    """No limit: the pace of tasks that are held back only to fill a batch."""

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
