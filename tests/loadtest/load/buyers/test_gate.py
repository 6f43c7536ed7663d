from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import gevent
import pytest

from loadtest.load.buyers import gate as module
from loadtest.load.buyers.gate import COUNT, T0, Gate, Leader, Share
from loadtest.load.crew.clock import Clock
from loadtest.load.now import now_ns


class Cluster:
    """A leader and the gates of some processes, joined as Locust's messages would join them."""

    def __init__(
        self, processes: int, buyers: int, gather_s: float = 5, deadline_s: float = 5, clock: Clock | None = None,
        at_once: bool = True,
    ) -> None:  # fmt: skip
        self.target_user_count = buyers
        self.t0s: list[int] = []
        self.ends: list[str] = []
        self.dead: set[str] = set()
        each = buyers // processes
        self.gates = [
            Gate(self.messenger(f"g{index}"), clock, lambda: Share(each, 3 * each, 3 * each))
            for index in range(processes)
        ]
        self.leader = Leader(
            self,
            gather_s,
            deadline_s,
            self.t0s.append,
            self.ends.append,
            lambda node: node in self.dead,
            at_once=at_once,
        )

    def messenger(self, node: str) -> Any:
        def send_message(kind: str, data: dict[str, Any]) -> None:
            assert kind == COUNT
            self.leader.count(node, data)

        return SimpleNamespace(send_message=send_message)

    def send_message(self, kind: str, data: dict[str, Any]) -> None:
        assert kind == T0
        for gate in self.gates:
            gate.open_at(data["t0_ns"])

    def arrive(self, gate: Gate, buyers: int) -> list[Any]:
        def buyer() -> tuple[int, int]:
            return gate.wait(), now_ns()

        return [gevent.spawn(buyer) for _ in range(buyers)]


@pytest.fixture(autouse=True)
def short_lead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LEAD_S", 0.05)


@pytest.fixture
def cluster() -> Callable[..., Cluster]:
    return Cluster


def test_nobody_passes_before_all_have_come() -> None:
    cluster = Cluster(2, buyers=30)
    early = cluster.arrive(cluster.gates[0], 10) + cluster.arrive(cluster.gates[1], 19)
    gevent.joinall(early, timeout=0.3)
    assert cluster.t0s == []
    assert [gate.waiting for gate in cluster.gates] == [10, 19]
    assert not any(buyer.ready() for buyer in early)
    last = cluster.arrive(cluster.gates[1], 1)
    gevent.joinall(early + last, timeout=5, raise_error=True)
    assert [gate.waiting for gate in cluster.gates] == [0, 0]


def test_all_pass_at_one_t0_and_none_before_it() -> None:
    cluster = Cluster(3, buyers=300)
    buyers = [buyer for gate in cluster.gates for buyer in cluster.arrive(gate, 100)]
    gevent.joinall(buyers, timeout=5, raise_error=True)
    [t0_ns] = cluster.t0s
    assert {buyer.value[0] for buyer in buyers} == {t0_ns}
    assert all(passed_ns >= t0_ns for _, passed_ns in (buyer.value for buyer in buyers))


def test_after_gather_s_the_sale_starts_with_those_who_came() -> None:
    cluster = Cluster(1, buyers=30, gather_s=0.2)
    buyers = cluster.arrive(cluster.gates[0], 29)
    gevent.joinall(buyers, timeout=0.4)
    assert cluster.t0s == []  # the clock starts when all have been spawned
    cluster.leader.spawned()
    gevent.joinall(buyers, timeout=5, raise_error=True)
    assert len(cluster.t0s) == 1


def test_who_comes_late_passes_at_once() -> None:
    cluster = Cluster(1, buyers=2)
    gevent.joinall(cluster.arrive(cluster.gates[0], 2), timeout=5, raise_error=True)
    [late] = cluster.arrive(cluster.gates[0], 1)
    assert late.get(timeout=1)[0] == cluster.t0s[0]


def test_a_process_that_missed_t0_is_told_again() -> None:
    cluster = Cluster(1, buyers=1)
    gevent.joinall(cluster.arrive(cluster.gates[0], 1), timeout=5, raise_error=True)
    joined = Gate(cluster.messenger("late"))
    cluster.gates.append(joined)
    [buyer] = cluster.arrive(joined, 1)
    assert buyer.get(timeout=2)[0] == cluster.t0s[0]


def test_the_end_is_when_the_last_buyer_is_done_and_comes_once() -> None:
    cluster = Cluster(2, buyers=20)
    gevent.joinall([b for gate in cluster.gates for b in cluster.arrive(gate, 10)], timeout=5, raise_error=True)
    for gate in cluster.gates:
        for _ in range(10):
            assert cluster.ends == []
            gate.leave()
    gevent.sleep(0.1)
    assert cluster.ends == ["every buyer has an answer"]


def test_the_end_is_the_deadline_where_a_buyer_never_is_done() -> None:
    cluster = Cluster(1, buyers=1, deadline_s=0.2)
    cluster.arrive(cluster.gates[0], 1)
    gevent.sleep(0.15)
    assert cluster.ends == []
    gevent.sleep(0.4)
    assert cluster.ends == ["0.2 s after T0 (drain.deadline_s)"]


def test_a_closed_round_ends_nothing() -> None:
    cluster = Cluster(1, buyers=2, gather_s=0.1, deadline_s=0.1)
    cluster.leader.spawned()
    cluster.leader.close()
    gevent.sleep(0.3)
    assert cluster.t0s == []
    assert cluster.ends == []


def test_who_only_watches_passes_with_the_others_and_is_not_counted() -> None:
    cluster = Cluster(1, buyers=2)
    [gate] = cluster.gates
    second_clicks = [gevent.spawn(gate.watch) for _ in range(5)]
    first = cluster.arrive(gate, 1)
    gevent.joinall(second_clicks, timeout=0.2)
    assert cluster.t0s == []
    assert gate.waiting == 1
    gevent.joinall(first + cluster.arrive(gate, 1) + second_clicks, timeout=5, raise_error=True)
    assert {click.value for click in second_clicks} == set(cluster.t0s)


class Elsewhere(Clock):
    """A clock that is so far behind the leader's, over a wire of so many seconds there and back."""

    def __init__(self, behind_s: float, round_trip_s: float = 0, ready: bool = True) -> None:
        self.offset_ns = round(behind_s * 1e9)
        self.uncertainty_ns = round(round_trip_s / 2 * 1e9)
        self.ready = ready
        self.frozen_at_ns = 0

    def freeze(self) -> None:
        self.frozen_at_ns = self.now_ns()


def test_who_has_another_clock_passes_when_that_shows_t0() -> None:
    clock = Elsewhere(behind_s=-0.2)  # ahead
    cluster = Cluster(1, buyers=1, clock=clock)
    [buyer] = cluster.arrive(cluster.gates[0], 1)
    due_ns, passed_ns = buyer.get(timeout=2)
    [t0_ns] = cluster.t0s
    assert due_ns == t0_ns + 200_000_000
    assert 0 <= passed_ns - due_ns < 100_000_000
    assert 0 < t0_ns - clock.frozen_at_ns < 50_000_000  # measured to the last moment


def test_t0_is_far_enough_for_the_slowest_wire() -> None:
    cluster = Cluster(1, buyers=1, clock=Elsewhere(0, round_trip_s=0.2))
    [buyer] = cluster.arrive(cluster.gates[0], 1)
    before_ns = now_ns()
    buyer.get(timeout=3)
    assert cluster.t0s[0] - before_ns > 4 * 0.2e9


def test_nobody_is_told_t0_before_the_clocks_are_known() -> None:
    clock = Elsewhere(0, ready=False)
    cluster = Cluster(1, buyers=1, clock=clock)
    [buyer] = cluster.arrive(cluster.gates[0], 1)
    gevent.sleep(0.1)
    assert cluster.t0s == []
    clock.ready = True  # which the gate tells by itself
    buyer.get(timeout=2)


def test_where_nobody_waits_for_others_the_first_sets_t0() -> None:
    cluster = Cluster(2, buyers=30, at_once=False)
    first = cluster.arrive(cluster.gates[1], 1)
    gevent.joinall(first, timeout=5, raise_error=True)
    assert len(cluster.t0s) == 1


class Settling(Elsewhere):
    """A clock that turns out to be another when it is measured for the last time."""

    def freeze(self) -> None:
        super().freeze()
        self.offset_ns += 20_000_000


def test_t0_is_announced_only_when_the_clock_is_set() -> None:
    clock = Settling(behind_s=0.01)
    cluster = Cluster(1, buyers=1, clock=clock)
    [gate] = cluster.gates
    told = gevent.spawn(gate.announced)
    gevent.joinall(cluster.arrive(gate, 1), timeout=5, raise_error=True)
    assert told.get(timeout=1) == gate.t0_ns == cluster.t0s[0] - clock.offset_ns


def test_nobody_waits_for_a_process_that_died() -> None:
    cluster = Cluster(2, buyers=20)
    living = cluster.arrive(cluster.gates[0], 10)
    cluster.arrive(cluster.gates[1], 9)
    gevent.sleep(0.1)
    assert cluster.t0s == []
    cluster.dead.add("g1")
    gevent.joinall(living, timeout=3, raise_error=True)
    for _ in range(9):
        cluster.gates[0].leave()
    gevent.sleep(0.1)
    assert cluster.ends == []
    cluster.gates[0].leave()
    gevent.sleep(0.1)
    assert cluster.ends == ["every buyer has an answer; 1 of the generators died"]
