import time
from collections.abc import Callable, Iterator

import gevent
import pytest

from loadtest.load import now as module
from loadtest.load.buyers.buyer import sleep_until
from loadtest.load.now import anchor, now_ns, stepped_ns

STEP_NS = 400_000_000
Step = Callable[[int], None]


@pytest.fixture
def step(monkeypatch: pytest.MonkeyPatch) -> Iterator[Step]:
    """Steps the wall clock by so many nanoseconds."""

    def stepped(by_ns: int) -> None:
        true_ns = time.time_ns
        monkeypatch.setattr(module, "time_ns", lambda: true_ns() + by_ns)

    yield stepped
    monkeypatch.undo()
    anchor()


def test_it_is_the_wall_clock_until_that_is_stepped() -> None:
    anchor()
    assert abs(now_ns() - time.time_ns()) < 50_000_000
    assert abs(stepped_ns()) < 50_000_000


@pytest.mark.parametrize("by_ns", [STEP_NS, -STEP_NS])
def test_a_step_moves_nothing_and_is_known(step: Step, by_ns: int) -> None:
    anchor()
    before_ns = now_ns()
    step(by_ns)
    assert 0 <= now_ns() - before_ns < 100_000_000
    assert abs(stepped_ns() - by_ns) < 100_000_000


def test_each_sale_begins_with_the_wall_clock_of_its_day(step: Step) -> None:
    anchor()
    step(3_600_000_000_000)
    anchor()
    assert abs(now_ns() - time.time_ns() - 3_600_000_000_000) < 50_000_000
    assert abs(stepped_ns()) < 50_000_000


def test_a_sleep_is_as_long_as_it_is(step: Step) -> None:
    begun = time.monotonic()
    due_ns = now_ns() + 200_000_000
    gevent.spawn_later(0.05, step, -10_000_000_000)
    sleep_until(due_ns)
    assert 0.2 <= time.monotonic() - begun < 5


def test_of_several_readings_the_least_disturbed_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that loses the processor between two clocks would be off by as long."""
    ticks = iter([0, 90, 100, 101, 200, 290, 300, 390, 400, 490])
    monkeypatch.setattr(module, "monotonic_ns", lambda: next(ticks))
    walls = iter([1_090, 1_100, 1_290, 1_390, 1_490])
    monkeypatch.setattr(module, "time_ns", lambda: next(walls))
    anchor()
    monkeypatch.setattr(module, "monotonic_ns", lambda: 500)
    assert now_ns() == 1_500
    monkeypatch.undo()
    anchor()
