"""The model's laws, over calibrations and sales that nobody has measured."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.experiment.schema import Experiment, Limiter, Workers
from loadtest.sizing.calibration import Calibration
from loadtest.sizing.model import bound_1s, capacity_per_s, predict

CALM = Calibration(
    first_row_s=0.2, wins_per_s=2500, answers_per_s=7000, effective=1.0, overshoot=1.0, worker_per_s=100, at_once=4,
    order_cpu_s=0.0015, message_bytes=1000,
)  # fmt: skip
calibrations = st.builds(
    Calibration,
    first_row_s=st.floats(0.01, 2), wins_per_s=st.floats(50, 20_000), answers_per_s=st.floats(50, 50_000),
    effective=st.floats(0.9, 1.02), overshoot=st.floats(0, 1), worker_per_s=st.floats(10, 1000), at_once=st.integers(1, 16),
    saturated=st.booleans(), order_cpu_s=st.floats(0.0005, 0.01), message_bytes=st.floats(100, 5000),
)  # fmt: skip


def sale(stock=1000, kind="flat", rate=100.0, workers=1, concurrency=4, **more):
    return Experiment(
        stock=stock, buyers=5000, limiter=Limiter(kind=kind, rate_per_s=rate),
        workers=Workers(count=workers, concurrency=concurrency), **more,
    )  # fmt: skip


sales = st.builds(
    sale, stock=st.integers(1, 4000), kind=st.sampled_from(["flat", "shared", "none"]), rate=st.floats(5, 2000),
    workers=st.integers(1, 8), concurrency=st.integers(1, 16),
)  # fmt: skip


def test_the_drain_is_the_first_row_and_one_period_for_each_row_after_it() -> None:
    assert predict(sale(1000, rate=100), CALM).drain_s == pytest.approx(0.2 + 999 / 100)


def test_each_worker_with_a_limit_of_its_own_places_a_first_row_at_once() -> None:
    assert predict(sale(1000, rate=50, workers=2), CALM).drain_s == pytest.approx(0.2 + 998 / 100)
    assert predict(sale(1000, "shared", rate=100, workers=2), CALM).drain_s == pytest.approx(0.2 + 999 / 100)


def test_no_second_holds_more_than_the_limit_and_the_bursts() -> None:
    assert (
        2 * (100 + 4)
        == bound_1s(sale(kind="flat", rate=100, workers=2))
        == predict(sale(rate=100, workers=2), CALM).max_1s
    )
    assert 100 + 4 == bound_1s(sale(kind="shared", rate=100, workers=2))
    assert bound_1s(sale(kind="none")) is None
    batched = sale(kind="shared", rate=100).model_copy(update={"workers": Workers(batch=10)})
    assert bound_1s(batched) == 100 + 4 + 9


def test_the_backlog_is_what_came_less_what_went_and_what_is_held() -> None:
    found = predict(sale(1000, rate=100), CALM)  # all on the queue after 0.4 s, the first row after 0.2 s
    assert (found.backlog, found.held) == (pytest.approx(1000 - 100 * 0.2 - 4), 4)
    assert found.backlog_bytes == pytest.approx(980 * 1000)


def test_a_saturated_worker_gives_what_its_pool_and_its_loop_can() -> None:
    full = replace(CALM, saturated=True, worker_per_s=400, at_once=4)
    assert full.service_s == pytest.approx(0.01)
    assert [capacity_per_s(sale(concurrency=c), full) for c in (1, 2, 4, 16)] == pytest.approx([100, 200, 400, 400])
    assert predict(sale(1000, rate=500, concurrency=1), full).rows_per_s == pytest.approx(100)


def test_a_worker_that_held_its_limit_has_one_core_for_its_loop() -> None:
    assert capacity_per_s(sale(workers=2), CALM) == pytest.approx(2 / 0.0015)
    assert capacity_per_s(sale(), replace(CALM, order_cpu_s=None)) is None


@given(calibrations, sales, st.floats(1, 4))
def test_a_higher_rate_never_drains_later_nor_leaves_more_waiting(calibration, experiment, factor) -> None:
    faster = experiment.model_copy(
        update={"limiter": Limiter(kind=experiment.limiter.kind, rate_per_s=experiment.limiter.rate_per_s * factor)}
    )
    slow, fast = predict(experiment, calibration), predict(faster, calibration)
    assert fast.drain_s <= slow.drain_s + 1e-9
    assert fast.backlog <= slow.backlog + 1e-6


@given(calibrations, sales, st.integers(1, 8))
def test_more_workers_never_drain_later(calibration, experiment, more) -> None:
    workers = experiment.workers.model_copy(update={"count": experiment.workers.count + more})
    assert (
        predict(experiment.model_copy(update={"workers": workers}), calibration).drain_s
        <= predict(experiment, calibration).drain_s + 1e-9
    )


@given(calibrations, sales, st.integers(1, 4000))
def test_more_stock_never_drains_sooner(calibration, experiment, more) -> None:
    larger = experiment.model_copy(update={"stock": experiment.stock + more})
    assert predict(larger, calibration).drain_s >= predict(experiment, calibration).drain_s - 1e-9


@given(calibrations, sales)
def test_every_order_waits_is_held_or_was_placed(calibration, experiment) -> None:
    found = predict(experiment, calibration)
    sold = min(experiment.stock, experiment.buyers)
    assert 0 <= found.backlog
    assert found.backlog + found.held <= sold + 1e-6
    assert found.won_s - 1e-9 <= found.drain_s <= found.answered_s


@given(calibrations, sales)
def test_no_second_is_busier_than_the_limiter_lets_it_be_nor_than_there_are_orders(calibration, experiment) -> None:
    found = predict(experiment, calibration)
    assert found.max_1s <= min(experiment.stock, experiment.buyers)
    assert found.bound_1s is None or found.max_1s <= found.bound_1s


@given(calibrations, sales, st.integers(1, 1_000_000), st.integers(2, 9))
def test_shop_processes_share_the_asking(calibration, experiment, asks, shops) -> None:
    one, several = (predict(experiment, calibration, asks, n) for n in (1, shops))
    assert several.sold_out_s == pytest.approx(one.sold_out_s / shops)
    assert several.drain_s <= one.drain_s + 1e-9
