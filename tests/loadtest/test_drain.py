import time

import pytest

from loadtest.drain import Drain
from loadtest.errors import RunInterrupted
from loadtest.queue import Depth
from loadtest.shop import Final, Source

FINAL = Final(seeded=Source(pattern="s-{n}"), rows=Source(sql="SELECT 1"))


class Scripted:
    """A queue and a table that give one scripted look after the other, then the last for ever. An exception is raised."""

    def __init__(self, *looks: tuple[object, object]) -> None:
        self.looks = list(looks)
        self.taken = 0

    def count(self, _source: Source | None) -> int:
        return self._give(0)

    def depth(self) -> Depth:
        waiting = self._give(1)
        self.taken += 1
        return Depth(waiting, 0)

    def _give(self, part: int) -> int:
        value = self.looks[min(self.taken, len(self.looks) - 1)][part]
        if isinstance(value, Exception):
            if part == 0:
                self.depth()
            raise value
        return value  # type: ignore[return-value]


def drain(script: Scripted) -> Drain:
    return Drain(script, script, FINAL, settle_s=0.001)  # type: ignore[arg-type]


def later(seconds: float) -> int:
    return time.time_ns() + int(seconds * 1e9)


def test_it_ends_after_two_looks_that_saw_no_change() -> None:
    script = Scripted((1, 5), (3, 2), (5, 0), (5, 0), (5, 0))
    assert drain(script).wait(later(5), lambda: None).at_ns is not None
    assert script.taken == 5


def test_an_empty_queue_with_growing_rows_is_not_drained() -> None:
    script = Scripted((1, 0), (2, 0), (3, 0), (3, 0), (3, 0))
    drain(script).wait(later(5), lambda: None)
    assert script.taken == 5


def test_a_service_that_is_away_has_not_drained() -> None:
    gone = OSError("away")
    assert drain(Scripted((gone, 0))).wait(later(0.05), lambda: None).at_ns is None


def test_the_deadline_ends_it() -> None:
    assert drain(Scripted((1, 1))).wait(later(0.02), lambda: None).at_ns is None


def test_a_wait_that_begins_past_the_deadline_sees_that_nothing_goes_on() -> None:
    assert drain(Scripted((3, 0))).wait(later(-1), lambda: None).at_ns is not None


def test_past_the_deadline_growing_rows_end_it() -> None:
    script = Scripted((3, 0), (4, 0), (4, 0), (4, 0))
    assert drain(script).wait(later(-1), lambda: None).at_ns is None


def test_an_interruption_goes_through() -> None:
    def interrupt() -> None:
        raise RunInterrupted("now")

    with pytest.raises(RunInterrupted):
        drain(Scripted((1, 1))).wait(later(5), interrupt)
