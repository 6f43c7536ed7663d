from types import SimpleNamespace
from typing import Any

import gevent
import pytest

from loadtest.load.crew import clock as module
from loadtest.load.crew.clock import ENOUGH, MeasuredClock
from loadtest.load.crew.handout import Place
from loadtest.load.plugin import _readings

AHEAD_NS = 7_200_000_000_000


class Wire:
    """A master behind a wire: each exchange takes so many milliseconds there, and so many back."""

    def __init__(self, *ways_ms: tuple[float, float]) -> None:
        self.now_ns = 1_000_000_000
        self._ways = ways_ms
        self.ahead_ns = AHEAD_NS
        self._asked = 0
        self.clock: MeasuredClock | None = None

    def send_message(self, _kind: str, data: dict[str, Any]) -> None:
        there, back = self._ways[self._asked % len(self._ways)]
        self._asked += 1
        there_ns = self.now_ns + int(there * 1e6) + self.ahead_ns
        self.now_ns += int((there + back) * 1e6)
        assert self.clock is not None
        self.clock.answered(data["sent_ns"], there_ns)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A clock after `exchanges` with a wire, whose time is its own."""

    def measure(wire: Wire, exchanges: int) -> MeasuredClock:
        monkeypatch.setattr(module, "now_ns", lambda: wire.now_ns)
        monkeypatch.setattr(module, "gevent", SimpleNamespace(spawn=lambda _: SimpleNamespace(kill=print)))
        clock = wire.clock = MeasuredClock(wire)
        for _ in range(exchanges):
            wire.send_message("", {"sent_ns": wire.now_ns})
        return clock

    return measure


def test_the_offset_is_taken_from_the_middle_of_the_round_trip(measured: Any) -> None:
    clock = measured(Wire((50, 50)), ENOUGH)
    assert clock.ready
    assert (clock.offset_ns, clock.uncertainty_ns) == (AHEAD_NS, 50_000_000)
    assert clock.here_ns(AHEAD_NS + 5) == 5


def test_the_quickest_exchange_counts_and_a_lopsided_one_is_wrong_by_no_more_than_it_says(measured: Any) -> None:
    clock = measured(Wire((1, 400), (3, 1), (90, 10)), ENOUGH)
    assert clock.uncertainty_ns == 2_000_000
    assert abs(clock.offset_ns - AHEAD_NS) == 1_000_000


def test_too_few_exchanges_are_not_enough(measured: Any) -> None:
    assert not measured(Wire((1, 1)), ENOUGH - 1).ready


def test_once_frozen_the_offset_stays_and_a_moved_clock_shows(measured: Any) -> None:
    wire = Wire((1, 1))
    clock = measured(wire, ENOUGH)
    clock.freeze()
    wire.ahead_ns += 30_000_000  # somebody set ours back
    wire.send_message("", {"sent_ns": wire.now_ns})
    assert clock.ready
    assert clock.offset_ns == AHEAD_NS
    reading = clock.reading()
    assert (reading["clock_offset_ms"], reading["clock_uncertainty_ms"]) == (AHEAD_NS / 1e6 + 30, 1)


def test_nothing_is_sampled_before_the_clock_is_measured(measured: Any) -> None:
    """By a clock that is hours ahead, what was read before T0 would seem to be of long after it."""

    def sampled(exchanges: int) -> set[str]:
        clock = measured(Wire((1, 1)), exchanges)
        sale: Any = SimpleNamespace(
            recorder=None, gate=SimpleNamespace(clock=clock, waiting=0), sent=0, answered=0, dropped=0
        )
        return set(_readings(sale, Place(1, 2)))

    assert sampled(ENOUGH - 1) == set()
    assert sampled(ENOUGH) >= {"sent", "g1.cpu_s", "g1.clock_offset_ms", "g1.wall_stepped_ms"}


def test_it_measures_by_itself() -> None:
    sent: list[int] = []
    clock = MeasuredClock(SimpleNamespace(send_message=lambda _, data: sent.append(data["sent_ns"])))
    gevent.sleep(0.1)
    clock.close()
    assert len(sent) >= 3
