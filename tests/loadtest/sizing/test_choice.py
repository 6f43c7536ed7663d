"""Choosing: what is chosen keeps the budget, and what is said to fit fits."""

import re
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from loadtest.experiment.files import load_experiment
from loadtest.sizing.calibration import Calibration, merge, shipped
from loadtest.sizing.choice import Sizing, budget_for, highest_rate, size, trusted_per_s
from loadtest.sizing.demand import PER_SECOND, SECONDS, Demand, amount
from loadtest.sizing.table import as_json, command, lines

SEEN = Calibration(
    first_row_s=0.25, wins_per_s=2400, answers_per_s=7000, effective=0.995, overshoot=0.8, worker_per_s=400, at_once=4,
    saturated=True, rows_per_s=800, order_cpu_s=0.0015, machine_cpu_s=0.003, message_bytes=1000, buyers=5000, cpu_count=2,
    took=dict.fromkeys(("first_row_s", "wins_per_s", "answers_per_s", "effective", "worker_per_s"), "a/run"),
)  # fmt: skip
demands = st.builds(
    Demand, stock=st.integers(1, 500_000), buyers=st.integers(1, 3_000_000), budget_per_s=st.floats(3, 20_000),
    within_s=st.floats(0.5, 3600),
)  # fmt: skip
# Within a time that is shorter than the drain at that budget.
hurried = st.builds(
    lambda stock, budget, share: Demand(stock, 2 * stock, budget, stock / budget * share),
    st.integers(200, 500_000), st.floats(3, 2000), st.floats(0.01, 0.9),
)  # fmt: skip


def asked(**changed: object) -> Sizing:
    return size(replace(Demand(20_000, 1_000_000, 300, 80), **changed), SEEN)


def test_the_rate_leaves_room_for_the_burst() -> None:
    assert highest_rate(300) == 289  # 289 + 11
    assert budget_for(289) == 300
    assert highest_rate(10) == 8


@given(st.floats(3, 1_000_000))
def test_the_rate_is_the_highest_that_the_budget_holds(budget: float) -> None:
    rate = highest_rate(budget)
    step = 1 if budget >= 10 else 0.1
    assert rate > 0
    assert rate + max(2, int(rate * 0.04)) <= budget + 1e-6
    assert rate + step + max(2, int((rate + step) * 0.04)) > budget - 1e-6


def test_as_many_workers_as_can_follow_and_two_at_least() -> None:
    assert trusted_per_s(SEEN) == pytest.approx(280)
    assert asked().experiment.workers.count == 2
    assert asked(budget_per_s=3000).experiment.workers.count == 11  # 2,885 ÷ 280
    assert asked(budget_per_s=100).experiment.workers.count == 2
    assert (asked().experiment.limiter.kind, asked().experiment.workers.at_once) == ("shared", 4)


def test_as_many_shop_processes_as_answer_in_time() -> None:
    assert asked(within_s=80).shops == 2  # 1,000,000 ÷ 7,000/s = 143 s
    assert asked(within_s=150).shops == 1


def test_a_budget_too_small_for_the_time_is_said_with_every_way_out() -> None:
    (conflict,) = asked(within_s=60).conflicts
    assert (
        "--db-budget 300/s and --answer-within 60s contradict each other: 20,000 rows at 287.6/s take 69.8 s"
        in conflict
    )
    assert not asked(within_s=60).fits


@given(hurried)
def test_what_is_said_to_fit_fits(demand: Demand) -> None:
    sizing = size(demand, SEEN)
    assert not sizing.fits
    for conflict in sizing.conflicts:
        ways = re.findall(r"--(db-budget|answer-within|stock) (\d+)", conflict.partition("Fits: ")[2])
        assert ways, conflict
        for option, value in ways:
            field = {"db-budget": "budget_per_s", "answer-within": "within_s", "stock": "stock"}[option]
            mended = size(replace(demand, **{field: int(value)}), SEEN)
            assert mended.fits, (conflict, option, mended.conflicts)


@given(demands)
def test_what_fits_keeps_every_promise(demand: Demand) -> None:
    sizing = size(demand, SEEN)
    assume(sizing.fits)
    found = sizing.prediction
    assert found.answered_s <= demand.within_s + 1e-9
    assert found.bound_1s is not None
    assert found.max_1s <= found.bound_1s <= demand.budget_per_s + 1e-6


def test_a_budget_below_the_least_burst_fits_nothing() -> None:
    (conflict, *_) = asked(budget_per_s=1.5).conflicts
    assert "no limiter keeps every second within 1.5 rows" in conflict
    assert "--db-budget 3/s" in conflict


@pytest.mark.parametrize(
    ("calibration", "demand", "said"),
    [
        (replace(SEEN, saturated=False), {}, "no worker was seen to place more than 400 orders/s"),
        (SEEN, {"buyers": 60_000}, "60,000 buyers are 12 × those of the run"),
        (SEEN, {"budget_per_s": 900}, "2.6 of its 2 cores"),
        (SEEN, {"budget_per_s": 900}, "more than 800 rows/s: whether its commits keep up with 862/s"),
        (SEEN, {"broker": "rabbitmq"}, "the run's broker was redis"),
        (SEEN, {"budget_per_s": 100_000}, "no backlog builds"),
        (replace(SEEN, doubts=("a/run had faults",)), {}, "a/run had faults"),
    ],
)  # fmt: skip
def test_where_nobody_has_looked_is_said(calibration: Calibration, demand: dict[str, object], said: str) -> None:
    found = size(replace(Demand(20_000, 40_000, 300, 80), **demand), calibration).limits
    assert any(said in limit for limit in found), found


def test_nothing_is_doubted_of_what_was_looked_at() -> None:
    assert size(Demand(20_000, 40_000, 300, 80), SEEN).limits == ()


def test_of_several_runs_each_tells_what_the_others_do_not() -> None:
    limited = replace(SEEN, saturated=False, worker_per_s=100, at_once=8)
    full = replace(
        SEEN,
        effective=None,
        first_row_s=9,
        took=SEEN.took | dict.fromkeys(("worker_per_s", "at_once", "saturated"), "full"),
    )
    both = merge([limited, full])
    assert (both.worker_per_s, both.at_once, both.saturated, both.took["worker_per_s"]) == (400, 4, True, "full")
    assert (both.first_row_s, both.effective) == (0.25, 0.995)
    assert merge([full, limited]).effective == 0.995
    assert "the runs are of different machines" in merge([limited, replace(full, cpu_count=64)]).doubts


def test_every_line_has_its_arithmetic_and_json_has_every_line() -> None:
    sizing = asked()
    found = list(lines(sizing))
    assert all(all(line) for line in found)
    names = [what for what, _, _ in found]
    for name in (
        "limiter",
        "workers",
        "concurrency",
        "prefetch",
        "peak",
        "drain",
        "backlog",
        "broker memory",
        "last loser told",
    ):
        assert name in names
    assert [each["what"] for each in as_json(sizing)["arithmetic"]] == names


def test_the_run_that_would_try_it_is_one() -> None:
    words = command(asked(stock=40_000, within_s=200)).split()
    overrides = [word for word in words if "=" in word]
    experiment = load_experiment("rush", overrides)
    assert (experiment.stock, experiment.buyers, experiment.configured_per_s) == (40_000, 80_000, 289)
    assert experiment.drain.deadline_s > 1.4 * 40_000 / 289
    assert words[:2] == ["loadtest", "run"]


def test_the_calibration_that_comes_along_was_measured_and_saw_a_full_worker() -> None:
    found = shipped()
    assert found.saturated
    assert found.took
    assert found.message_bytes
    assert size(Demand(1000, 5000, 300, 60), found).fits


@pytest.mark.parametrize(("text", "value"), [("60", 60), ("60s", 60), ("2min", 120), ("1.5 h", 5400), ("500ms", 0.5)])
def test_times_as_people_write_them(text: str, value: float) -> None:
    assert amount("--answer-within", text, SECONDS, "") == value


def test_rates_as_people_write_them() -> None:
    assert amount("--db-budget", "300/s", PER_SECOND, "") == amount("--db-budget", "18000/min", PER_SECOND, "") == 300
