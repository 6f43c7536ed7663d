"""The limiter's laws: never more than rate·t + burst, and the rate met by a timer that is late within the burst."""

import heapq
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from celery.worker.state import task_reserved
from hypothesis import given
from hypothesis import strategies as st

from target.limiter.consumer import GATHER_S, Consumer
from target.limiter.felt import ADRIFT_S, Felt
from target.limiter.pace import Gcra


class Clock:
    """Time as a test tells it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.running: dict[Any, float] = {}

    def runs(self, order: Any) -> bool:
        """Whether an order that was started runs still; of most it is not told how long, and they are over at once."""
        return self.running.get(order, 0.0) > self.now

    def __call__(self) -> float:
        return self.now


RATES = st.sampled_from([0.5, 10.0, 50.0, 400.0, 1000.0])


def most_in(times: list[float], window_s: float) -> int:
    """The most units in any half-open window."""
    return max(
        (sum(start <= time < start + window_s for time in times[n:]) for n, start in enumerate(times)), default=0
    )


@given(RATES, st.integers(1, 20), st.lists(st.floats(0, 5), min_size=1, max_size=120), st.floats(0.1, 5))
def test_no_window_holds_more_than_rate_and_burst(rate: float, burst: int, pauses: list[float], window: float) -> None:
    clock = Clock()
    bucket = Gcra(rate, burst, clock)
    taken: list[float] = []
    for pause in pauses:
        clock.now += pause / rate
        while bucket.take():
            taken.append(clock.now)
    periods = window * 5 / rate
    assert most_in(taken, periods) <= rate * periods + burst + 1e-6


@given(RATES, st.integers(2, 20), st.lists(st.floats(0, 1), min_size=50, max_size=300))
def test_the_rate_is_met_by_a_timer_that_is_late_within_the_burst(
    rate: float, burst: int, lateness: list[float]
) -> None:
    clock = Clock()
    bucket = Gcra(rate, burst, clock)
    taken = int(bucket.take())
    start = clock.now
    for late in lateness:
        assert bucket.due_s is not None
        clock.now = max(clock.now, bucket.due_s + late * (burst - 1) / rate)
        while bucket.take():
            taken += 1
    elapsed = clock.now - start
    assert taken >= rate * elapsed - 1e-3
    assert taken <= rate * elapsed + burst + 1e-3


@given(
    RATES, st.integers(1, 20), st.integers(0, 20), st.lists(st.floats(0, 40), min_size=1, max_size=120), st.floats(0.1, 5),
)  # fmt: skip
def test_units_that_are_taken_together_are_counted_each(
    rate: float, batch: int, more: int, pauses: list[float], window: float
) -> None:
    clock = Clock()
    bucket, taken = Gcra(rate, batch + more, clock), []
    for pause in pauses:
        clock.now += pause / rate
        while count := bucket.take(together=batch):
            assert count == batch
            taken += [clock.now] * batch
    periods = window * 5 / rate
    assert most_in(taken, periods) <= rate * periods + batch + more + 1e-6


@given(RATES, st.integers(2, 20), st.integers(1, 20), st.lists(st.floats(0, 1), min_size=50, max_size=300))
def test_the_rate_is_met_in_batches_by_a_timer_that_is_late_within_what_the_burst_has_over(
    rate: float, batch: int, more: int, lateness: list[float]
) -> None:
    clock = Clock()
    bucket, start = Gcra(rate, batch + more, clock), clock.now
    taken = bucket.take(together=batch)
    for late in lateness:
        clock.now = max(clock.now, bucket.when(batch) + late * more / rate)
        while bucket.take(together=batch):
            taken += batch
    assert rate * (clock.now - start) - 1e-3 <= taken + batch
    assert taken <= rate * (clock.now - start) + batch + more


def test_no_more_than_the_burst_are_taken_together() -> None:
    clock = Clock()
    bucket = Gcra(50, 3, clock)
    assert bucket.take(together=10) == 0
    clock.now += 0.0401
    assert bucket.take(together=10) == 3


def test_it_starts_with_one_and_not_with_a_burst() -> None:
    clock = Clock()
    bucket = Gcra(50, 5, clock)
    clock.now += 60
    assert [bucket.take(), bucket.take()] == [True, False]


def test_after_idling_the_burst_and_no_more_is_at_once() -> None:
    clock = Clock()
    bucket = Gcra(50, 5, clock)
    bucket.take()
    clock.now += 60
    assert [bucket.take() for _ in range(6)] == [True] * 5 + [False]


class Timer:
    """Celery's timer, on the test's clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: list[Any] = []

    def call_at(self, at_s: float, function: Callable[..., None], arguments: tuple[Any, ...]) -> Any:
        entry = SimpleNamespace(canceled=False, run=lambda: function(*arguments))
        entry.cancel = lambda: setattr(entry, "canceled", True)
        heapq.heappush(self._entries, (at_s, id(entry), entry))
        return entry

    @property
    def armed(self) -> int:
        return sum(not entry.canceled for *_, entry in self._entries)

    def advance(self, to_s: float, late_s: float = 0.0) -> None:
        """Fire what is due until `to_s`, each entry a little late."""
        while self._entries and self._entries[0][0] + late_s <= to_s:
            at_s, _, entry = heapq.heappop(self._entries)
            self._clock.now = max(self._clock.now, at_s + late_s)
            if not entry.canceled:
                entry.run()
        self._clock.now = max(self._clock.now, to_s)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(Gcra.__init__, "__defaults__", (made,))
    monkeypatch.setattr(Felt.__init__, "__defaults__", (made.runs, made))
    return made


@pytest.fixture
def consumer(clock: Clock) -> Any:
    """The consumer without a worker around it."""
    made = Consumer.__new__(Consumer)
    made.timer = Timer(clock)
    made.pool = made.hub = None
    made.task_buckets = {}
    made.pool = SimpleNamespace(info={})
    made.app = SimpleNamespace(
        tasks={
            "place": SimpleNamespace(name="place", rate_limit="50/s", burst=2),
            "other": SimpleNamespace(name="other", rate_limit=None),
        }
    )
    made.started = []
    made._limit_move_to_pool = lambda request: made.started.append((request, clock.now))
    made.reset_rate_limits()
    return made


def hold(consumer: Any, *requests: str) -> None:
    for request in requests:
        consumer._limit_task(request, consumer.task_buckets["place"], 1)


def test_a_task_without_a_limit_has_no_bucket(consumer: Any) -> None:
    assert consumer.task_buckets["other"] is None


def test_one_timer_is_armed_however_many_tasks_are_held(consumer: Any) -> None:
    hold(consumer, *(f"r{n}" for n in range(100)))
    assert [request for request, _ in consumer.started] == ["r0"]
    assert consumer.timer.armed == 1


def test_held_tasks_start_in_order_at_the_rate_though_the_timer_is_late(consumer: Any, clock: Clock) -> None:
    start = clock.now
    hold(consumer, *(f"r{n}" for n in range(101)))
    consumer.timer.advance(start + 2.0 + 0.011, late_s=0.01)
    assert [request for request, _ in consumer.started] == [f"r{n}" for n in range(101)]
    assert consumer.started[-1][1] - start == pytest.approx(2.0, abs=0.011)
    assert consumer.timer.armed == 0


def test_rows_that_come_late_have_their_place_in_the_second_that_feels_them(consumer: Any, clock: Clock) -> None:
    start, rows = clock.now, []

    def begin(request: str) -> None:
        end_s = clock.now + (0.1 if clock.now < start + 1 else 0)  # from then on the database is fast
        clock.running[request] = end_s
        rows.append(end_s)

    consumer._limit_move_to_pool = begin
    hold(consumer, *(f"r{n}" for n in range(151)))
    consumer.timer.advance(start + 4)
    assert most_in(sorted(rows), 1.0) == 52
    assert rows[-1] - start == pytest.approx(150 / 50 + 0.1, abs=0.05)  # as the first was late


def test_the_clock_starts_when_every_child_is_up(consumer: Any, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("target.limiter.consumer.monotonic", clock)
    up = {"total": 1}
    consumer.pool = SimpleNamespace(info={"writes": {"inqueues": up}}, num_processes=2)
    start = clock.now
    hold(consumer, "r0", "r1", "r2")
    consumer.timer.advance(start + 0.1)
    assert (consumer.started, consumer.timer.armed) == ([], 1)
    up["total"] = 2
    consumer.timer.advance(start + 1)
    assert [round(at - start, 2) for _, at in consumer.started] == pytest.approx([0.11, 0.13, 0.15], abs=0.011)
    up["total"] = 1
    hold(consumer, "r3")
    assert len(consumer.started) == 4, "a child that is replaced holds up nobody"


@pytest.fixture
def batching(consumer: Any, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """The consumer with batches of 5, and a limit or none."""
    monkeypatch.setattr("target.limiter.consumer.monotonic", clock)
    monkeypatch.setattr("target.limiter.consumer.task_reserved", lambda _: None)

    def made(rate_limit: str | None = "50/s", burst: int = 6) -> Any:
        consumer.app.tasks["place"] = SimpleNamespace(
            name="place", rate_limit=rate_limit, burst=burst, batch=5, together=len
        )
        consumer.task_buckets.clear()
        consumer.on_task_request = lambda batch: consumer.started.append((batch.requests, clock.now))
        consumer.reset_rate_limits()
        return consumer

    return made


def test_a_batch_starts_when_the_last_of_it_is_due(batching: Callable[..., Any], clock: Clock) -> None:
    start, consumer = clock.now, batching()
    hold(consumer, *(f"r{n}" for n in range(12)))
    assert (consumer.started, consumer.timer.armed) == ([], 1)
    consumer.timer.advance(start + 1)
    assert [(len(requests), round(at - start, 2)) for requests, at in consumer.started] == [
        (5, 0.08),
        (5, 0.18),
        (2, 0.22),
    ]
    assert [each for requests, _ in consumer.started for each in requests] == [f"r{n}" for n in range(12)]
    assert consumer.timer.armed == 0


def test_one_that_stays_alone_starts_alone_after_a_while(batching: Callable[..., Any], clock: Clock) -> None:
    start, consumer = clock.now, batching()
    hold(consumer, "r0")
    consumer.timer.advance(start + 1)
    assert consumer.started == [("r0", pytest.approx(start + GATHER_S))]


def test_without_a_limit_a_batch_starts_when_it_is_full_or_after_a_while(
    batching: Callable[..., Any], clock: Clock
) -> None:
    start, consumer = clock.now, batching(None)
    hold(consumer, *(f"r{n}" for n in range(11)))
    assert [len(requests) for requests, _ in consumer.started] == [5, 5]
    clock.now += GATHER_S / 2
    hold(consumer, "r11")
    consumer.timer.advance(start + 1)
    assert [(len(requests), at - start) for requests, at in consumer.started[2:]] == [(2, pytest.approx(GATHER_S))]
    assert consumer.timer.armed == 0


def test_a_limit_that_is_lifted_still_has_them_start_together(batching: Callable[..., Any], clock: Clock) -> None:
    consumer = batching()
    hold(consumer, *(f"r{n}" for n in range(7)))
    consumer.app.tasks["place"].rate_limit = None
    consumer.reset_rate_limits()
    consumer.timer.advance(clock.now + 1)
    assert [len(requests) for requests, _ in consumer.started] == [5, 2]


def test_a_lost_connection_leaves_no_timer_and_no_task_behind(consumer: Any, clock: Clock) -> None:
    hold(consumer, "old1", "old2", "old3")
    consumer.task_buckets["place"].clear_pending()
    assert consumer.timer.armed == 0
    hold(consumer, "new1", "new2")
    assert consumer.timer.armed == 1
    consumer.timer.advance(clock.now + 1)
    assert [request for request, _ in consumer.started] == ["old1", "new1", "new2"]


def test_a_new_limit_takes_over_what_the_old_one_held(consumer: Any, clock: Clock) -> None:
    hold(consumer, "r0", "r1", "r2", "r3")
    consumer.app.tasks["place"].rate_limit = "10/s"
    consumer.reset_rate_limits()
    assert consumer.timer.armed == 1
    consumer.timer.advance(clock.now + 1)
    assert [request for request, _ in consumer.started] == ["r0", "r1", "r2", "r3"]
    assert consumer.started[3][1] - consumer.started[2][1] == pytest.approx(0.1)


@given(st.lists(st.tuples(st.sampled_from([5.0, 20.0, 100.0]), st.floats(0.01, 0.4)), min_size=2, max_size=8))
def test_a_change_of_the_limit_gives_no_unit_away(spans: list[tuple[float, float]]) -> None:
    clock = Clock()
    pace, taken = Gcra(spans[0][0], 2, clock), []
    for rate, length_s in spans:
        earlier, pace = pace, Gcra(rate, 2, clock)
        pace.follow(earlier)
        until = clock.now + length_s
        while clock.now < until:
            while pace.take():
                taken.append(clock.now)
            clock.now += 0.002
    highest = max(rate for rate, _ in spans)
    assert most_in(taken, 0.5) <= highest * 0.5 + 2


# What the database has felt outlives the bucket.


def slow(consumer: Any, clock: Clock, lasts_s: float) -> list[float]:
    """From now on orders take so long. Returns the list of when their rows are written, which grows."""
    rows: list[float] = []

    def begin(request: str) -> None:
        clock.running[request] = clock.now + lasts_s
        rows.append(clock.now + lasts_s)

    consumer._limit_move_to_pool = begin
    return rows


def limit(consumer: Any, rate_limit: str | None, burst: int = 3) -> None:
    consumer.app.tasks["place"].rate_limit, consumer.app.tasks["place"].burst = rate_limit, burst
    consumer.reset_rate_limits()


def test_a_change_of_the_limit_does_not_forget_what_runs(consumer: Any, clock: Clock) -> None:
    limit(consumer, "10/s")
    rows = slow(consumer, clock, 60.0)
    hold(consumer, *(f"r{n}" for n in range(100)))
    consumer.timer.advance(clock.now + 1.15)
    assert len(rows) == 12
    limit(consumer, "10.5/s")
    consumer.timer.advance(clock.now + 5)
    assert len(rows) == 13, "a second may hold so many rows, and all of these may be written in one"


def test_a_change_of_the_limit_does_not_forget_what_has_just_ended(consumer: Any, clock: Clock) -> None:
    limit(consumer, "10/s")
    rows, until_s = slow(consumer, clock, 0.9), clock.now + 0.95
    hold(consumer, *(f"r{n}" for n in range(100)))
    consumer.timer.advance(until_s)
    later = slow(consumer, clock, 0.0)
    limit(consumer, "12/s")
    consumer.timer.advance(until_s + 3)
    assert most_in(sorted(rows + later), 1.0) <= 12 + 3


def test_a_lower_limit_holds_from_its_next_second_on_and_stops_nobody_before(consumer: Any, clock: Clock) -> None:
    limit(consumer, "50/s")
    rows = slow(consumer, clock, 0.0)
    hold(consumer, *(f"r{n}" for n in range(300)))
    consumer.timer.advance(clock.now + 2)
    changed_s, before = clock.now, len(rows)
    limit(consumer, "10/s")
    consumer.timer.advance(changed_s + 4)
    assert 0.95 * 40 <= len(rows) - before <= 40 + 3
    assert most_in([row for row in rows if row > changed_s], 1.0) <= 10 + 3


class Request:
    """As Celery's own: hashable, by identity."""

    name = "place"

    def __init__(self, id_: str) -> None:
        self.id = id_


def test_a_limit_that_is_set_again_counts_what_started_without_one(consumer: Any, clock: Clock) -> None:
    limit(consumer, None)
    begun = [Request(f"u{n}") for n in range(12)]
    for request in begun:
        task_reserved(request)
    rows = slow(consumer, clock, 60.0)
    clock.running.update(dict.fromkeys(begun, clock.now + 60))
    limit(consumer, "10/s")
    hold(consumer, *(f"r{n}" for n in range(100)))
    consumer.timer.advance(clock.now + 5)
    assert len(rows) == 1


def test_a_lost_connection_does_not_forget_what_waits_in_the_pool(consumer: Any, clock: Clock) -> None:
    limit(consumer, "10/s")
    rows = slow(consumer, clock, 60.0)
    hold(consumer, *(f"r{n}" for n in range(100)))
    consumer.timer.advance(clock.now + 2)
    assert len(rows) == 13
    consumer.task_buckets["place"].clear_pending()
    clock.running.clear()  # Celery forgets what its pool has not begun
    hold(consumer, *(f"s{n}" for n in range(100)))
    consumer.timer.advance(clock.now + ADRIFT_S)
    assert len(rows) == 13
    consumer.timer.advance(clock.now + 1.5)
    assert len(rows) > 13


def test_a_change_of_another_tasks_limit_leaves_the_bucket_alone(consumer: Any) -> None:
    hold(consumer, "r0", "r1", "r2")
    bucket = consumer.task_buckets["place"]
    consumer.app.tasks["other"].rate_limit = "10/s"
    consumer.reset_rate_limits()
    assert consumer.task_buckets["place"] is bucket
    assert (len(bucket.contents), consumer.timer.armed) == (2, 1)


def test_no_limit_any_more_starts_what_was_held(consumer: Any) -> None:
    hold(consumer, "r0", "r1", "r2")
    consumer.app.tasks["place"].rate_limit = None
    consumer.reset_rate_limits()
    assert ["r0", "r1", "r2"] == [request for request, _ in consumer.started]
    assert consumer.timer.armed == 0


def test_a_task_on_its_way_to_a_replaced_bucket_goes_to_the_new_one(consumer: Any, clock: Clock) -> None:
    hold(consumer, "r0", "r1")
    old = consumer.task_buckets["place"]
    consumer.app.tasks["place"].rate_limit = "10/s"
    consumer.reset_rate_limits()
    consumer._limit_task(SimpleNamespace(name="place"), old, 1)
    assert (len(old.contents), len(consumer.task_buckets["place"].contents)) == (0, 2)
    assert consumer.timer.armed == 1


def test_timers_and_messages_of_different_threads_start_each_task_once(consumer: Any, clock: Clock) -> None:
    consumer.app.tasks["place"].rate_limit = "1000000/s"
    consumer.reset_rate_limits()
    bucket = consumer.task_buckets["place"]

    take = bucket.pace.take

    def slowly(*args: int) -> int:
        time.sleep(0.0001)  # others have their turn
        return take(*args)

    bucket.pace.take = slowly

    def come(name: str) -> None:
        for n in range(50):
            clock.now += 1e-5
            consumer._limit_task(f"{name}{n}", bucket, 1)
            consumer._release(bucket)

    threads = [threading.Thread(target=come, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    clock.now += 1
    while bucket.contents:
        consumer._release(bucket)
        clock.now += 1
    assert sorted(request for request, _ in consumer.started) == sorted(
        f"{name}{n}" for name in "abcd" for n in range(50)
    )


def test_a_task_that_fails_to_start_does_not_stop_the_rest(consumer: Any, clock: Clock) -> None:
    hold(consumer, "r0", "bad", "r2")

    def start(request: str) -> None:
        if request == "bad":
            raise OSError(request)
        consumer.started.append((request, clock.now))

    consumer._limit_move_to_pool = start
    with pytest.raises(OSError, match="bad"):
        consumer.timer.advance(clock.now + 1)
    consumer.timer.advance(clock.now + 1)
    assert [request for request, _ in consumer.started] == ["r0", "r2"]
