"""Clocks: how far the master's clock is ahead of this process's (see `loadtest.load.now`), measured over Locust's own messages.

An exchange is NTP's (RFC 5905, section 8), with one time stamp at the master for both receipt and sending: the process sends its
time, the master answers with its own, and the offset is the master's time minus the midpoint of the round trip. It is wrong by at
most half the round trip. Queueing makes a round trip longer, so the exchange with the shortest one is used.
*Warning:* where one way takes longer than the other the offset is wrong by half the difference, and nothing in the exchange shows it.
"""

from collections import deque
from typing import Any, NamedTuple

import gevent

from loadtest.load.now import now_ns, stepped_ns

CLOCK = "gate_clock"
# Exchanges that a process must have made before T0 can be set.
ENOUGH = 8
# The best of the last so many exchanges is used: those of 8 s at EVERY_S, of 0.6 s at HURRY_S.
KEPT = 32
EVERY_S = 0.25
HURRY_S = 0.02
# Between exchanges after T0, which only show whether the clocks drift.
WATCH_S = 1.0


class Exchange(NamedTuple):
    """One exchange: its round trip, and the offset to add to this process's time to get the master's."""

    round_trip_ns: int
    offset_ns: int


class Clock:
    """The clock of the master, or of the only process there is. Its offset is 0 by definition."""

    ready = True
    offset_ns = 0
    uncertainty_ns = 0

    def here_ns(self, there_ns: int) -> int:
        """The master's time `there_ns`, converted to this process's clock."""
        return there_ns - self.offset_ns

    def now_ns(self) -> int:
        """The time now by the master's clock, in nanoseconds since the epoch."""
        return now_ns() + self.offset_ns

    def reading(self) -> dict[str, float]:
        """Metric → value, for the generator's samples: how far the machine's wall clock has been stepped, which moves nothing here."""
        return {"wall_stepped_ms": stepped_ns() / 1e6}

    def hurry(self) -> None:
        """Measures more often, every HURRY_S, since T0 is near."""

    def freeze(self) -> None:
        """Fixes the offset for the rest of the sale, so that differences of recorded times are true intervals."""

    def close(self) -> None:
        """Stops measuring."""


class MeasuredClock(Clock):
    """The clock of a worker, measured against the master's from creation until closed."""

    def __init__(self, runner: Any) -> None:
        self._runner = runner
        self._kept: deque[Exchange] = deque(maxlen=KEPT)
        self._frozen: Exchange | None = None
        self._step_s = HURRY_S
        self._greenlet = gevent.spawn(self._measure)

    @property
    def ready(self) -> bool:  # type: ignore[override]
        """Whether there were enough exchanges to rely on the offset."""
        return self._frozen is not None or len(self._kept) >= ENOUGH

    @property
    def best(self) -> Exchange:
        """The exchange whose offset is used."""
        return self._frozen or self._measured

    @property
    def offset_ns(self) -> int:  # type: ignore[override]
        """Nanoseconds to add to this process's time to get the master's."""
        return self.best.offset_ns

    @property
    def uncertainty_ns(self) -> int:  # type: ignore[override]
        """The greatest possible error of the offset, in nanoseconds."""
        return self.best.round_trip_ns // 2

    def answered(self, sent_ns: int, there_ns: int) -> None:
        """Takes in the master's answer: its time `there_ns`, to what was sent at `sent_ns` of this process's time."""
        here_ns = now_ns()
        self._kept.append(Exchange(here_ns - sent_ns, there_ns - (sent_ns + here_ns) // 2))
        if self._step_s == HURRY_S and self._frozen is None and len(self._kept) == ENOUGH:
            self._step_s = EVERY_S

    def reading(self) -> dict[str, float]:
        """Also the offset as measured now (not the frozen one) and its greatest possible error, in milliseconds."""
        now = self._measured
        measured = {"clock_offset_ms": now.offset_ns / 1e6, "clock_uncertainty_ms": now.round_trip_ns / 2e6}
        return {**super().reading(), **measured}

    def hurry(self) -> None:
        """Measures more often, every HURRY_S, since T0 is near."""
        self._greenlet.kill(block=False)
        self._step_s = HURRY_S
        self._greenlet = gevent.spawn(self._measure)

    def freeze(self) -> None:
        """Fixes the offset; later exchanges, every WATCH_S, go into `reading` only."""
        self._frozen = self._measured
        self._kept.clear()
        self._step_s = WATCH_S

    def close(self) -> None:
        """Stops measuring."""
        self._greenlet.kill(block=False)

    @property
    def _measured(self) -> Exchange:
        return min(self._kept, default=self._frozen or Exchange(0, 0))

    def _measure(self) -> None:
        while True:
            self._runner.send_message(CLOCK, {"sent_ns": now_ns()})
            gevent.sleep(self._step_s)
