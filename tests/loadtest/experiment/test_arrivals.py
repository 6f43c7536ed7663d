"""The plan as arithmetic: rates, totals, order; and what is said to whoever gets it wrong."""

import math
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.errors import UsageError
from loadtest.experiment.arrivals import busiest, connections, offsets_ns, plan_arrivals, write_plan
from loadtest.experiment.schema import Arrivals, Experiment, Step
from loadtest.experiment.traffic import Crowd

NS = 10**9
SEEDS = st.integers(0, 2**32)
RATES = st.floats(0.01, 100_000)
STEPS = st.lists(st.tuples(st.floats(0, 2_000), st.floats(0.01, 5)), min_size=1, max_size=5).filter(
    lambda steps: sum(round(rate * seconds) for rate, seconds in steps) > 0
)


def poisson(buyers: int, rate_per_s: float = 100, seed: int = 1) -> list[int]:
    return list(offsets_ns(Arrivals(kind="poisson", rate_per_s=rate_per_s), buyers, seed))


@given(st.integers(0, 5_000), SEEDS, st.sampled_from(["herd", "spawned"]))
def test_a_herd_is_due_at_t0_whole(buyers: int, seed: int, kind: str) -> None:
    assert list(offsets_ns(Arrivals(kind=kind), buyers, seed)) == [0] * buyers


@given(st.integers(1, 2_000), RATES, SEEDS)
def test_uniform_arrivals_are_spaced_by_the_rate(buyers: int, rate_per_s: float, seed: int) -> None:
    offsets = offsets_ns(Arrivals(kind="uniform", rate_per_s=rate_per_s), buyers, seed)
    assert len(offsets) == buyers
    assert offsets[0] == 0
    assert all(abs(later - earlier - NS / rate_per_s) <= 2 for earlier, later in pairwise(offsets))


@given(st.integers(1, 500), RATES, SEEDS)
def test_poisson_arrivals_are_as_many_as_there_are_buyers_and_ascend(buyers: int, rate_per_s: float, seed: int) -> None:
    offsets = poisson(buyers, rate_per_s, seed)
    assert len(offsets) == buyers
    assert offsets[0] >= 0
    assert offsets == sorted(offsets)
    assert offsets == poisson(buyers, rate_per_s, seed)


@given(STEPS)
def test_steps_hold_what_their_rates_say(steps: list[Step]) -> None:
    arrivals = Arrivals(kind="stepped", steps=tuple(steps))
    offsets = offsets_ns(arrivals, 0, 1)
    assert offsets == sorted(offsets)
    assert len(offsets) == arrivals.total
    began_s = 0.0
    for rate_per_s, seconds in steps:
        # To the nanosecond: an arrival at the very end of a step belongs to it.
        inside = [at for at in offsets if round(began_s * NS) <= at < round((began_s + seconds) * NS)]
        assert abs(len(inside) - rate_per_s * seconds) <= 1.5
        began_s += seconds


def test_poisson_gaps_are_exponential() -> None:
    offsets = poisson(20_000)
    gaps = [(later - earlier) / NS for earlier, later in zip([0, *offsets], offsets, strict=False)]
    mean = sum(gaps) / len(gaps)
    variance = sum((gap - mean) ** 2 for gap in gaps) / len(gaps)
    assert mean == pytest.approx(1 / 100, rel=0.03)
    assert variance == pytest.approx(1 / 100**2, rel=0.06)


def test_poisson_counts_a_second_are_as_poisson_has_them() -> None:
    """Chi-square over the counts in 2,000 windows of mean 5, ten classes: 9 degrees of freedom, 27.9 is passed once in a thousand."""
    offsets = poisson(10_000)
    window_ns, windows = NS // 20, 1_900
    counts = [0] * windows
    for offset in offsets:
        if offset < windows * window_ns:
            counts[offset // window_ns] += 1
    classes = [lambda n: n <= 1, *[lambda n, k=k: n == k for k in range(2, 10)], lambda n: n >= 10]
    chance = [math.exp(-5) * 5**n / math.factorial(n) for n in range(60)]
    expected = [windows * sum(p for n, p in enumerate(chance) if member(n)) for member in classes]
    observed = [sum(member(n) for n in counts) for member in classes]
    assert sum((o - e) ** 2 / e for o, e in zip(observed, expected, strict=True)) < 27.9


def test_another_seed_makes_another_plan() -> None:
    assert len({tuple(poisson(50, seed=seed)) for seed in range(20)}) == 20


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=60).map(sorted), st.integers(1, 10**6))
def test_the_busiest_window(offsets: list[int], window_ns: int) -> None:
    assert busiest(offsets, window_ns) == max(sum(at <= other < at + window_ns for other in offsets) for at in offsets)


def test_connections_are_for_the_stock_and_two_busy_seconds() -> None:
    def ready(**changes: object) -> int:
        arrivals = {"kind": "uniform", "rate_per_s": 100, "for_s": 20} | changes
        experiment = Experiment.model_validate({"stock": 300, "arrivals": arrivals})
        return connections(experiment, plan_arrivals(experiment))

    assert ready() == 300 + 200
    assert ready(for_s=3) == 300, "no more than there are buyers"
    assert ready(connections=7) == 7
    assert connections(Experiment(buyers=2_000), [0] * 2_000) == 2_000


# Replay.


def replay(file: Path, buyers: int) -> list[int]:
    return list(offsets_ns(Arrivals(kind="replay", file=str(file)), buyers, 1))


@given(st.lists(st.integers(0, 10**15), min_size=1, max_size=50).map(sorted))
def test_a_plan_that_was_written_is_replayed_to_the_nanosecond(
    tmp_path_factory: pytest.TempPathFactory, plan: list[int]
) -> None:
    path = tmp_path_factory.mktemp("plan") / "arrivals.csv"
    write_plan(path, plan, Crowd(Experiment().traffic, len(plan), 1))
    assert replay(path, len(plan)) == plan
    assert path.read_text(encoding="utf-8").splitlines()[0] == "time_s,clicks"


def test_a_file_without_a_header_is_read_as_well(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("0\n0.25, anything\n\n0.25\n3.5\n", encoding="utf-8")
    assert replay(path, 4) == [0, NS // 4, NS // 4, 3_500_000_000]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0\n-1\n", "line 2: -1 is before T0"),
        ("time_s\n1\n0.5\n", "line 3: 0.5 comes after a later time; expected ascending times: sort the file"),
        ("0\nsoon\n", "line 2: 'soon' is no time; expected seconds after T0, such as 1.25"),
        ("nan\n", "'nan' is no time"),
        ("0\n1\n", "buyers = 3: {path} has 2 arrivals; set buyers to that"),
        ("", "has 0 arrivals"),
        ("0\n\xff\n", "cannot be read as CSV"),
    ],
)
def test_a_bad_file_is_told_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(UsageError) as error:
        replay(path, 3)
    assert said.format(path=path) in str(error.value)


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(UsageError, match=r"arrivals.file: 'no/such.csv': no such file"):
        replay(Path("no/such.csv"), 3)


# The experiment around it.


def experiment(**data: object) -> Experiment:
    from loadtest.experiment.section import parse

    return parse(Experiment, data, "mine.toml")


def test_who_says_how_long_need_not_say_how_many() -> None:
    assert experiment(arrivals={"kind": "poisson", "rate_per_s": 50, "for_s": 4}).buyers == 200
    assert experiment(arrivals={"kind": "stepped", "steps": [[10, 1.5], [0, 3], [4, 0.5]]}).buyers == 17
    assert experiment(arrivals=Arrivals(kind="uniform", rate_per_s=5, for_s=2)).buyers == 10
    assert experiment(arrivals={"kind": "poisson", "rate_per_s": 50}).buyers == 1000


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (
            {"buyers": 10, "arrivals": {"kind": "uniform", "rate_per_s": 5, "for_s": 4}},
            "buyers = 10: the arrivals' rate and seconds make 20; leave buyers out, or let them agree",
        ),
        ({"arrivals": {"kind": "poisson"}}, "arrivals.rate_per_s: required by arrivals.kind = 'poisson', such as arrivals.rate_per_s=200"),
        ({"arrivals": {"kind": "stepped"}}, "arrivals.steps: required by arrivals.kind = 'stepped', such as arrivals.steps=[[100, 2], [400, 5]]"),
        ({"arrivals": {"kind": "replay"}}, "arrivals.file: required by arrivals.kind = 'replay'"),
        (
            {"arrivals": {"rate_per_s": 5}},
            "arrivals.rate_per_s: means nothing to arrivals.kind = 'herd'; take it out, or set the kind to one of: spawned, poisson, uniform",
        ),
        ({"arrivals": {"kind": "uniform", "rate_per_s": 0}}, "arrivals.rate_per_s = 0: expected greater than 0"),
        ({"arrivals": {"kind": "uniform", "rate_per_s": 0.1, "for_s": 1}}, "arrivals: nobody would come; raise the rate or the seconds"),
        ({"arrivals": {"kind": "stepped", "steps": [[0, 5]]}}, "arrivals: nobody would come"),
        ({"arrivals": {"kind": "stepped", "steps": [[5, 0]]}}, "arrivals.steps 1, 2 = 0: expected greater than 0"),
        ({"traffic": {"presale_s": 90}}, "traffic.presale_s = 90: expected less than arrivals.gather_s = 60; raise that"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told_in_a_sentence(data: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError) as error:
        experiment(**data)
    assert said in str(error.value)
    assert str(error.value).startswith("mine.toml: ")


def test_the_last_buyer_must_come_before_the_deadline() -> None:
    late = experiment(arrivals={"kind": "uniform", "rate_per_s": 5, "for_s": 40}, drain={"deadline_s": 30})
    with pytest.raises(UsageError, match=r"drain.deadline_s = 30: the last buyer comes 39.8 s after T0; raise it"):
        plan_arrivals(late)


def test_an_experiment_survives_its_own_file() -> None:
    import tomllib

    for kind in ({"kind": "stepped", "steps": [[10, 1]]}, {"kind": "poisson", "rate_per_s": 9.5, "connections": 3}):
        one = experiment(arrivals=kind, buyers=10)
        assert experiment(**tomllib.loads(one.to_toml())) == one
