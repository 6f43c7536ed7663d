from collections.abc import Sequence

import pytest

import loadtest.ledger.standstill
from loadtest.errors import RunInterrupted
from loadtest.ledger.queue import Depth
from loadtest.ledger.standstill import Drain
from loadtest.manifest.shop import Final, Source

FINAL = Final(seeded=Source(pattern="s-{n}"), rows=Source(sql="SELECT 1"))


SETTLE_S = 0.01
NS = 10**9


class Clock:
    """A time that passes by sleeping alone."""

    def __init__(self) -> None:
        self.now_ns = 1_900_000_000 * NS
        self.begun_ns = self.now_ns

    def time_ns(self) -> int:
        return self.now_ns

    def sleep(self, seconds: float) -> None:
        self.now_ns += round(seconds * NS)

    def later(self, seconds: float) -> int:
        return self.now_ns + round(seconds * NS)

    @property
    def passed_s(self) -> float:
        return (self.now_ns - self.begun_ns) / NS


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(loadtest.ledger.standstill, "time", clock)
    return clock


class Scripted:
    """A queue and a table that give one scripted look after the other, then the last for ever. An exception is raised.

    With `holds` it is RabbitMQ: workers hold so many of them one after the other, None is not told, and the answer is `late_s` old.
    """

    def __init__(self, *looks: tuple[object, object], holds: Sequence[int | None] = (), late_s: float = 0.0) -> None:
        self.looks = list(looks)
        self.holds = list(holds)
        self.late_s = late_s
        self.taken = 0

    def count(self, source: Source | None) -> int:
        return self._give(0) if source else 0

    def held(self) -> int | None:
        return self.holds.pop(0) if len(self.holds) > 1 else self.holds[0]

    def depth(self) -> Depth:
        waiting = self._give(1)
        self.taken += 1
        return Depth(waiting, None if self.holds else 0)

    def _give(self, part: int) -> int:
        value = self.looks[min(self.taken, len(self.looks) - 1)][part]
        if isinstance(value, Exception):
            if part == 0:
                self.depth()
            raise value
        return value  # type: ignore[return-value]


def drain(script: Scripted) -> Drain:
    return Drain(script, script, FINAL, settle_s=SETTLE_S, stock=10)  # type: ignore[arg-type]


def test_it_ends_after_two_looks_that_saw_no_change(clock: Clock) -> None:
    script = Scripted((1, 5), (3, 2), (5, 0), (5, 0), (5, 0))
    assert drain(script).wait(clock.later(5), lambda: None).at_ns is not None
    assert script.taken == 5


def test_an_empty_queue_with_growing_rows_is_not_drained(clock: Clock) -> None:
    script = Scripted((1, 0), (2, 0), (3, 0), (3, 0), (3, 0))
    drain(script).wait(clock.later(5), lambda: None)
    assert script.taken == 5


def test_a_service_that_is_away_has_not_drained(clock: Clock) -> None:
    gone = OSError("away")
    assert drain(Scripted((gone, 0))).wait(clock.later(0.05), lambda: None).at_ns is None


def test_the_deadline_ends_it(clock: Clock) -> None:
    assert drain(Scripted((1, 1))).wait(clock.later(0.02), lambda: None).at_ns is None


def test_a_wait_that_begins_past_the_deadline_sees_that_nothing_goes_on(clock: Clock) -> None:
    assert drain(Scripted((3, 0))).wait(clock.later(-1), lambda: None).at_ns is not None


def test_past_the_deadline_growing_rows_end_it(clock: Clock) -> None:
    script = Scripted((3, 0), (4, 0), (4, 0), (4, 0))
    assert drain(script).wait(clock.later(-1), lambda: None).at_ns is None


def test_what_workers_hold_is_waited_for(clock: Clock) -> None:
    script = Scripted((5, 0), holds=(3, 3, 1, 0))
    drain(script).wait(clock.later(5), lambda: None)
    assert script.taken == 5


def test_a_broker_that_tells_late_must_say_nothing_is_held_for_as_long(clock: Clock) -> None:
    assert drain(Scripted((5, 0), holds=(0,), late_s=0.2)).wait(clock.later(5), lambda: None).at_ns is not None
    assert 0.2 <= clock.passed_s <= 0.2 + 2 * SETTLE_S


def test_work_that_shows_up_late_begins_the_wait_anew(clock: Clock) -> None:
    script = Scripted((5, 0), holds=(0,) * 8 + (2,) * 5 + (0,), late_s=0.1)
    drain(script).wait(clock.later(5), lambda: None)
    assert script.holds == [0]
    held_until_s = 12 * SETTLE_S
    assert 0.1 <= clock.passed_s - held_until_s <= 0.1 + 2 * SETTLE_S


def test_once_every_unit_has_its_row_nobody_need_be_asked(clock: Clock) -> None:
    assert drain(Scripted((10, 0), holds=(None,), late_s=60)).wait(clock.later(5), lambda: None).at_ns is not None


def test_what_nobody_tells_is_not_drained(clock: Clock) -> None:
    assert drain(Scripted((9, 0), holds=(None,))).wait(clock.later(0.05), lambda: None).at_ns is None


def test_an_interruption_goes_through(clock: Clock) -> None:
    def interrupt() -> None:
        raise RunInterrupted("now")

    with pytest.raises(RunInterrupted):
        drain(Scripted((1, 1))).wait(clock.later(5), interrupt)
