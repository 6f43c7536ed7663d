"""Who is next: buyers of a herd without end, buyers of a plan once each, shared by the processes."""

from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from loadtest.experiment.schema import Experiment, Traffic
from loadtest.experiment.traffic import Crowd
from loadtest.load.buyers.gate import Share
from loadtest.load.now import now_ns
from loadtest.load.plugin import _plan
from loadtest.load.sale import Sale, Turn
from loadtest.manifest.accounts import Buyers
from loadtest.manifest.http import Http
from loadtest.talk.roster import Roster, rooms

NS = 10**9


class Opened:
    """A gate of which only T0 matters."""

    def __init__(self, t0_ns: int | None = None) -> None:
        self.t0_ns = t0_ns


def http(**more: Any) -> Http:
    least = {"base_url": "http://x", "buy": {"request": "POST /buy", "outcomes": {"202": "won"}}}
    return Http.model_validate({**least, **more})


def sale(
    offsets_ns: list[int], process: int = 0, processes: int = 1, t0_ns: int | None = None, kind: str = "replay"
) -> Sale:
    arrivals = {"kind": kind} | ({"file": "x.csv"} if kind == "replay" else {})
    experiment = Experiment.model_validate({"buyers": max(1, len(offsets_ns)), "arrivals": arrivals})
    crowd = Crowd(experiment.traffic, experiment.buyers, 1)
    nowhere: Any = None
    gate: Any = Opened(t0_ns)
    roster = Roster(Buyers(), rooms(experiment, processes), None, process, processes)
    return Sale("sale", http(), nowhere, experiment, gate, offsets_ns, crowd, roster, process, processes)


def turns(of: Sale) -> list[Turn]:
    found = []
    while turn := of.next_turn():
        found.append(turn)
    return found


@given(st.lists(st.integers(0, NS), max_size=60).map(sorted), st.integers(1, 5))
def test_processes_share_a_plan_without_rest(offsets_ns: list[int], processes: int) -> None:
    shares = [turns(sale(offsets_ns, process, processes)) for process in range(processes)]
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    together = sorted((turn for share in shares for turn in share), key=lambda turn: turn.ordinal)
    assert together == [Turn(n, at) for n, at in enumerate(offsets_ns)]


def test_the_share_of_a_plan_is_known_before_anybody_comes() -> None:
    shares = [sale([0, 1, 2, 3, 4], process, 2).share for process in (0, 1)]
    assert shares == [Share(0, 3, 3), Share(0, 2, 2)]
    impatient = sale([0, 1, 2], process=1, processes=2)
    impatient.crowd = Crowd(Traffic(double_click=1), 3, 1)
    impatient.__post_init__()
    assert impatient.share == Share(0, 1, 2)


def test_the_share_of_a_herd_grows_with_it() -> None:
    herd = sale([0, 0], process=1, processes=2, kind="herd")
    assert herd.share == Share()
    herd.next_turn()
    assert herd.share == Share(0, 1, 0)


def test_a_herd_has_as_many_as_are_asked_for() -> None:
    herd = sale([0, 0], process=1, processes=2, kind="herd")
    assert [herd.next_turn() for _ in range(3)] == [Turn(1, 0), Turn(3, 0), Turn(5, 0)]


def test_who_is_more_than_a_second_late_is_dropped_and_counted() -> None:
    late = sale([0, NS, 2 * NS, 9 * NS], t0_ns=now_ns() - 5 * NS // 2)
    assert [turn.ordinal for turn in turns(late)] == [2, 3]
    assert late.dropped == 2
    assert [turn.ordinal for turn in turns(sale([0, NS, 2 * NS, 9 * NS]))] == [0, 1, 2, 3], "nobody is late before T0"


def test_the_plan_that_a_run_wrote_is_the_plan(tmp_path: Path) -> None:
    experiment = Experiment.model_validate({"arrivals": {"kind": "uniform", "rate_per_s": 2, "for_s": 1}})
    assert list(_plan(tmp_path, experiment)) == list(_plan(None, experiment)) == [0, NS // 2]
    (tmp_path / "arrivals.csv").write_text("time_s,clicks\n0.100000001,1\n0.3,2\n", encoding="utf-8")
    assert list(_plan(tmp_path, experiment)) == [100_000_001, 300_000_000]


def test_each_buyer_has_an_address_of_the_network_and_never_its_first_or_last() -> None:
    of = sale([0])
    assert of.source(0) is None
    of.http = http(source_addresses="127.1.0.0/29")
    of.__post_init__()
    assert [of.source(n) for n in (0, 5, 6)] == ["127.1.0.1", "127.1.0.6", "127.1.0.1"]
    of.http = http(source_addresses="127.0.0.1/32")
    of.__post_init__()
    assert of.source(3) == "127.0.0.1"


def test_all_processes_together_begin_so_many_log_ins_a_second() -> None:
    of = sale([0], processes=2)
    of.http = http(pace_per_s=1)
    first, *others = (of.next_begin_ns() for _ in range(5))
    assert [at - first for at in others] == [2 * NS * n for n in range(1, 5)]
