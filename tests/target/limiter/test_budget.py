"""The budget of all workers, on a real Redis and the test's clock: its laws, and what is left of it when Redis is away."""

import itertools
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
import redis
from celery.signals import celeryd_init
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from target.config import Config
from target.limiter.budget import AWAY_S, SHARES_S, TIMEOUT_S, Answer, Budget, Shared
from target.limiter.share import place_of
from target.stores.claims import Keys
from tests.target.limiter.test_consumer import Clock, most_in
from tests.waiting import eventually

few = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
RATES = st.sampled_from([0.5, 10.0, 50.0, 400.0, 1000.0])


class OnClock(Budget):
    """The real script on the real Redis, told the test's time; an answer takes `late_s` each way."""

    def __init__(self, config: Config, clock: Clock) -> None:
        super().__init__(config)
        self.clock, self.late_s, self.away, self.asked = clock, 0.0, False, 0
        self._redis = redis.Redis.from_url(config.redis_url)  # without a time-out: this machine may be slow

    def reserve(self, *args: Any, **kwargs: Any) -> Answer:
        self.asked += 1
        if self.away:
            raise redis.ConnectionError("gone")
        self.clock.now += self.late_s
        answer = super().reserve(*args, **kwargs, now_s=self.clock.now)
        self.clock.now += self.late_s
        return answer


@pytest.fixture
def budget(config: Config) -> Callable[[], OnClock]:
    """A budget that nobody has asked yet; each has a key of its own."""
    return lambda: OnClock(replace(config, sale=f"t{uuid4().hex[:8]}"), Clock())


def workers(budget: OnClock, count: int, rate: float, burst: int) -> list[Shared]:
    return [Shared(rate, burst, budget, count, budget.clock, wall=budget.clock, place=n) for n in range(count)]


def drain(budget: OnClock, waiting: list[Shared], until_s: float, late_s: float = 0.0) -> list[float]:
    """When each order starts, where every worker always has one waiting, and wakes `late_s` after the moment it asked for."""
    taken: list[float] = []
    due = dict.fromkeys(waiting, budget.clock.now)
    while min(due.values()) <= until_s:
        pace = min(due, key=lambda one: due[one])
        budget.clock.now = max(budget.clock.now, due[pace] + late_s)
        while pace.take(5):
            taken.append(budget.clock.now)
        assert pace.due_s is not None
        due[pace] = pace.due_s
    return taken


@few
@given(
    RATES, st.integers(2, 20), st.integers(1, 4), st.floats(0.1, 5),
    st.lists(st.tuples(st.integers(0, 3), st.floats(0, 4), st.integers(1, 9)), min_size=1, max_size=60),
)  # fmt: skip
def test_no_window_holds_more_than_rate_and_burst_of_all_workers(
    budget: Any, rate: float, burst: int, count: int, window: float, asks: list[tuple[int, float, int]]
) -> None:
    shared = budget()
    paces = workers(shared, count, rate, burst)
    taken: list[float] = []
    for who, pause, waiting in asks:
        shared.clock.now += pause / rate
        while paces[who % count].take(waiting):
            taken.append(shared.clock.now)
    periods = window * 5 / rate
    assert most_in(taken, periods) <= rate * periods + burst + 1e-3


@few
@given(RATES, st.integers(1, 4), st.floats(0, 0.4))
def test_together_they_meet_the_rate_though_each_is_late(budget: Any, rate: float, count: int, late: float) -> None:
    shared = budget()
    burst = max(2, round(rate * 0.04))
    seconds, late_s = 600 / rate, late * (burst - 1) / rate
    taken = drain(shared, workers(shared, count, rate, burst), shared.clock.now + late_s + seconds, late_s)
    held = [at for at in taken if at <= taken[0] + seconds]  # the first was late too
    assert 0.95 * 600 <= len(held) <= 600 + burst


def test_one_question_an_order_however_many_wait(budget: Any) -> None:
    shared = budget()
    taken = drain(shared, workers(shared, 8, 100.0, 4), shared.clock.now + 2)
    assert shared.asked <= len(taken) + 8


def test_nobody_starves(budget: Any) -> None:
    shared = budget()
    paces = workers(shared, 4, 50.0, 2)
    drain(shared, paces[:3], shared.clock.now + 1)
    began = shared.clock.now
    assert not paces[3].take()
    assert paces[3].due_s <= began + 4 / 50


def test_what_a_killed_worker_held_is_a_moment_and_no_more(budget: Any) -> None:
    shared = budget()
    paces = workers(shared, 4, 100.0, 4)
    drain(shared, paces, shared.clock.now + 1)
    left = drain(shared, paces[1:], shared.clock.now + 1)
    assert 98 <= len(left) <= 101


def changed(earlier: list[Shared], budget: OnClock, rate: float) -> list[Shared]:
    """The same workers, told another rate."""
    later = workers(budget, len(earlier), rate, 4)
    for new, old in zip(later, earlier, strict=True):
        new.follow(old)
    return later


def test_a_new_rate_holds_at_once_and_for_all(budget: Any) -> None:
    shared = budget()
    slow = workers(shared, 4, 1.0, 2)
    drain(shared, slow, shared.clock.now + 5)
    fast = changed(slow, shared, 100.0)
    assert 98 <= len(drain(shared, fast, shared.clock.now + 1)) <= 101
    assert 2 <= len(drain(shared, changed(fast, shared, 2.0), shared.clock.now + 2)) <= 5


def test_a_worker_that_starts_again_goes_by_the_rate_that_holds(budget: Any) -> None:
    shared = budget()
    fast = workers(shared, 2, 100.0, 4)
    drain(shared, fast, shared.clock.now + 1)
    slow = changed(fast, shared, 20.0)
    drain(shared, slow, shared.clock.now + 1)
    again = workers(shared, 2, 100.0, 4)
    assert 38 <= len(drain(shared, slow + again, shared.clock.now + 2)) <= 41


def test_while_redis_is_away_each_keeps_to_its_share(budget: Any, caplog: Any) -> None:
    shared = budget()
    paces = workers(shared, 4, 100.0, 8)
    drain(shared, paces, shared.clock.now + 1)
    shared.away, shared.asked = True, 0
    began = shared.clock.now
    taken = drain(shared, paces, began + 4)
    assert 0.9 * 400 <= len(taken) <= 400 + 8
    assert most_in(taken, 1.0) <= 100 + 8
    assert shared.asked <= 4 * 5, "a worker does not ask on and on"
    only_one = drain(shared, paces[:1], shared.clock.now + 2)
    assert len(only_one) <= 50 + 2
    assert "does not answer (gone): down to the share of 25/s" in caplog.text

    shared.away = False
    drain(shared, paces, shared.clock.now + AWAY_S + SHARES_S)
    assert 95 <= len(drain(shared, paces, shared.clock.now + 1)) <= 102
    assert "answers again: 100/s together" in caplog.text


@few
@given(
    RATES, st.integers(2, 12), st.integers(1, 9), st.floats(0, 1), st.lists(st.floats(0, 0.9), min_size=1, max_size=5),
    st.sampled_from([0.1, 1.0, 3.0, 20.0]),
)  # fmt: skip
def test_without_redis_workers_that_begin_at_the_same_instant_keep_the_rate_and_the_burst_together(
    budget: Any, rate: float, burst: int, count: int, phase: float, lateness: list[float], periods: float
) -> None:
    shared = budget()
    shared.away = True
    shared.clock.now += phase / rate
    paces = workers(shared, count, rate, burst)
    taken = in_step(shared, paces, 40 * count / rate, [late * (burst - 1) / rate for late in lateness])
    assert most_in(taken, periods / rate) <= periods + burst + 1e-3
    held = [at for at in taken if at >= taken[0] + count / rate]
    assert len(held) >= rate * (taken[-1] - held[0]) - count - burst


def in_step(budget: OnClock, waiting: list[Shared], seconds: float, lateness_s: list[float]) -> list[float]:
    """When each order starts, where every worker always has one waiting, all ask for the first time at once, and then each wakes late by these, in turn."""
    taken: list[float] = []
    until_s, late = budget.clock.now + seconds, itertools.cycle(lateness_s)
    due = dict.fromkeys(waiting, budget.clock.now)
    while min(due.values()) <= until_s:
        pace = min(due, key=lambda one: due[one])
        budget.clock.now = max(budget.clock.now, due[pace])
        while pace.take(5):
            taken.append(budget.clock.now)
        due[pace] = max(pace.when(), budget.clock.now) + next(late)
    return taken


def test_no_second_exceeds_the_bound_as_redis_goes_and_comes(budget: Any) -> None:
    shared = budget()
    paces = workers(shared, 5, 100.0, 4)
    taken = drain(shared, paces, shared.clock.now + 1.003)
    for away in (True, False) * 3:
        shared.away = away
        taken += drain(shared, paces, shared.clock.now + 3.127)
    for window in (0.05, 0.2, 1.0, 2.0):
        assert most_in(taken, window) <= 100 * window + 4
    assert 0.9 <= len(taken) / (100 * (taken[-1] - taken[0])) <= 1.02


def test_a_worker_that_never_lost_redis_keeps_to_its_share_until_all_others_have_noticed(budget: Any) -> None:
    shared = budget()
    lost, never = workers(shared, 2, 100.0, 4)
    drain(shared, [lost, never], shared.clock.now + 1)
    shared.away = True
    drain(shared, [lost], shared.clock.now + 2)
    shared.away = False
    lost.away_until_s = shared.clock.now
    taken = drain(shared, [lost, never], shared.clock.now + 5)
    assert most_in(taken, 1.0) <= 100 + 4
    assert lost.away_until_s is never.away_until_s is None


@pytest.mark.parametrize(
    ("node", "place"), [("worker@h", 0), ("worker-1@h", 0), ("worker-3@h", 2), ("w12@h", 3), ("worker-5@h2", 0)]
)
def test_a_worker_has_the_place_that_its_name_says(node: str, place: int, monkeypatch: pytest.MonkeyPatch) -> None:
    workers = 1 if node == "worker@h" else 4
    assert place_of(node, workers) == place
    monkeypatch.setattr("target.limiter.budget._node", "")
    celeryd_init.send(sender=node, instance=None, conf=None, options={})
    made = Shared(10.0, 2, Budget.__new__(Budget), workers)
    assert made.share._phase_s == place / 10


def test_names_without_a_number_are_told(caplog: Any) -> None:
    assert 0 <= place_of("shop@h", 4) < 4
    assert "expected node names that end in the worker's number, as worker-1@host, found 'shop@h'" in caplog.text


def test_answers_that_come_too_late_are_not_used(budget: Any) -> None:
    shared = budget()
    shared.late_s = 0.05  # each way, where 20 ms of lateness are made up
    (pace,) = workers(shared, 1, 50.0, 2)
    assert not pace.take()
    assert pace.due_s > shared.clock.now


def test_a_redis_that_stalls_holds_the_worker_up_for_no_longer_than_its_time_out(config: Config, wire: Any) -> None:
    muted = wire(config.redis_url)
    pace = Shared(50.0, 2, Budget(replace(config, redis_url=muted.url)), 1)
    eventually(pace.take, 5)  # the first answer may come too late to be of use
    muted.muted = True
    time.sleep(0.03)
    began = time.monotonic()
    for _ in range(50):
        pace.take()
    assert TIMEOUT_S * 0.5 < time.monotonic() - began < TIMEOUT_S * 2


def test_preparing_a_sale_forgets_its_budget(config: Config, prepare: Any, store: redis.Redis) -> None:
    Budget(config).reserve(1000, 1.0, 0.0)
    assert store.exists(Keys.of(config.sale).budget)
    prepare(config)
    assert not store.exists(Keys.of(config.sale).budget)
