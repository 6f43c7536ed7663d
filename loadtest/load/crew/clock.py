"""Clocks: how far the master's clock is ahead of this process's, measured over Locust's own messages.

An exchange is NTP's (RFC 5905, section 8), with one time stamp at the master for both receipt and sending: the process sends its
time, the master answers with its own, and the offset is that less the middle of the round trip. It is wrong by half the round trip
at most. Whoever waits in a queue makes a round trip longer, so the exchange of the least round trip is the one to believe.
*Warning:* where one way takes longer than the other the offset is wrong by half the difference, and nothing in the exchange shows it.
"""

from collections import deque
from time import time_ns
from typing import Any, NamedTuple

import gevent

CLOCK = "gate_clock"
# A process that has made so many exchanges can be told a T0.
ENOUGH = 8
# The best of so many is taken: at EVERY_S of the last 8 s, in a hurry of the last 0.6 s.
KEPT = 32
EVERY_S = 0.25
HURRY_S = 0.02
# After T0 an exchange now and then shows whether the clock stays.
WATCH_S = 1.0


class Exchange(NamedTuple):
    """One round trip, and what must be added to our time to get the master's."""

    round_trip_ns: int
    offset_ns: int


class Clock:
    """The master's own clock, and that of the only process there is: right by definition."""

    ready = True
    offset_ns = 0
    uncertainty_ns = 0

    def here_ns(self, there_ns: int) -> int:
        """The master's time `there_ns` as this process's clock shows it."""
        return there_ns - self.offset_ns

    def now_ns(self) -> int:
        """The master's time now."""
        return time_ns() + self.offset_ns

    def reading(self) -> dict[str, float]:
        """What the samples say of it."""
        return {}

    def hurry(self) -> None:
        """T0 is near: measures as often as it can."""

    def freeze(self) -> None:
        """T0 is here: from now on the offset stays, so that no interval is longer or shorter than it was."""

    def close(self) -> None:
        """Measures no more."""


class MeasuredClock(Clock):
    """The clock of a process that has a master, measured from its making until it is closed."""

    def __init__(self, runner: Any) -> None:
        self._runner = runner
        self._kept: deque[Exchange] = deque(maxlen=KEPT)
        self._frozen: Exchange | None = None
        self._step_s = HURRY_S
        self._greenlet = gevent.spawn(self._measure)

    @property
    def ready(self) -> bool:  # type: ignore[override]
        """Whether enough was measured to rely on."""
        return self._frozen is not None or len(self._kept) >= ENOUGH

    @property
    def best(self) -> Exchange:
        """The exchange that counts."""
        return self._frozen or self._measured

    @property
    def offset_ns(self) -> int:  # type: ignore[override]
        """To be added to our time."""
        return self.best.offset_ns

    @property
    def uncertainty_ns(self) -> int:  # type: ignore[override]
        """The offset is wrong by so much at most."""
        return self.best.round_trip_ns // 2

    def answered(self, sent_ns: int, there_ns: int) -> None:
        """The master's answer is here."""
        now_ns = time_ns()
        self._kept.append(Exchange(now_ns - sent_ns, there_ns - (sent_ns + now_ns) // 2))
        if self._step_s == HURRY_S and self._frozen is None and len(self._kept) == ENOUGH:
            self._step_s = EVERY_S

    def reading(self) -> dict[str, float]:
        """The offset as it is measured now, and how far it may be wrong, in milliseconds."""
        now = self._measured
        return {"clock_offset_ms": now.offset_ns / 1e6, "clock_uncertainty_ms": now.round_trip_ns / 2e6}

    def hurry(self) -> None:
        """T0 is near: measures as often as it can."""
        self._greenlet.kill(block=False)
        self._step_s = HURRY_S
        self._greenlet = gevent.spawn(self._measure)

    def freeze(self) -> None:
        """The offset stays as it is; further exchanges only show whether that was right."""
        self._frozen = self._measured
        self._kept.clear()
        self._step_s = WATCH_S

    def close(self) -> None:
        """Measures no more."""
        self._greenlet.kill(block=False)

    @property
    def _measured(self) -> Exchange:
        return min(self._kept, default=self._frozen or Exchange(0, 0))

    def _measure(self) -> None:
        while True:
            self._runner.send_message(CLOCK, {"sent_ns": time_ns()})
            gevent.sleep(self._step_s)
