"""The choice: limiter, rate, workers and shops for a demand, what the model predicts of them, and whether that meets the demand."""

import math
from dataclasses import dataclass

from loadtest.experiment.schema import Broker, Experiment, Limiter, Workers, default_burst
from loadtest.sizing.calibration import Calibration, buckets
from loadtest.sizing.demand import Demand
from loadtest.sizing.model import Prediction, bound_1s, predict

# Safety margins: decided, not measured.
LOAD = 0.7  # share that a plan uses of what a saturated worker placed, or of a machine's cores
LEAST_WORKERS = 2  # while one restarts, the other goes on
MOST_WORKERS = 64  # that an experiment may have
FAR = 10  # times the calibration's buyers: beyond that, no run has tested the model


@dataclass(frozen=True)
class Sizing:
    """The answer to a demand. `shops`: how many shops, each as fast as the calibration's whole shop.

    `conflicts`: why the demand is not met, each with what would fit. `limits`: what the prediction assumes beyond what runs have shown.
    """

    demand: Demand
    experiment: Experiment
    shops: int
    prediction: Prediction
    conflicts: tuple[str, ...]
    limits: tuple[str, ...]
    calibration: Calibration

    @property
    def fits(self) -> bool:
        """Whether everything that was asked for is met."""
        return not self.conflicts


def size(demand: Demand, calibration: Calibration) -> Sizing:
    """The limiter that keeps every second within the budget, and the fewest workers and shops that keep up."""
    experiment = choose(demand, calibration)
    shops = math.ceil(demand.buyers / (calibration.answers_per_s * demand.within_s))
    shops = max(shops, math.ceil(demand.stock / (calibration.wins_per_s * demand.within_s)))
    prediction = predict(experiment, calibration, demand.buyers, shops)
    conflicts = _conflicts(demand, experiment, prediction, calibration)
    limits = _limits(demand, experiment, prediction, calibration, shops)
    return Sizing(demand, experiment, shops, prediction, tuple(conflicts), tuple(limits), calibration)


def choose(demand: Demand, calibration: Calibration) -> Experiment:
    """An experiment for `demand`. All workers share one rate, so that their number does not change what the database gets."""
    rate_per_s = highest_rate(demand.budget_per_s)
    count = max(LEAST_WORKERS, math.ceil(rate_per_s / trusted_per_s(calibration)))
    return Experiment(
        stock=demand.stock,
        broker=Broker(kind=demand.broker or calibration.broker),
        limiter=Limiter(kind="shared", rate_per_s=rate_per_s),
        # model_copy does not validate: more workers than a run may have are planned all the same, and `_limits` says so.
        workers=Workers(concurrency=calibration.at_once).model_copy(update={"count": count}),
    )


def trusted_per_s(calibration: Calibration) -> float:
    """Rows a second that a plan gives one worker: all that one placed with ease, or the share `LOAD` of what a saturated one placed."""
    return calibration.worker_per_s * (LOAD if calibration.saturated else 1)


def highest_rate(budget_per_s: float) -> float:
    """The highest rate per second that, with its burst, stays within the budget: in whole numbers from a budget of 10/s on, else in tenths.

    A budget smaller than the least burst allows no rate. Then half the budget, which `_conflicts` reports as too much.
    """
    step = 1.0 if budget_per_s >= 10 else 0.1
    steps = math.floor(budget_per_s / step + 1e-9)
    while steps > 0 and _second(steps * step) > budget_per_s + 1e-9:
        steps = max(0, steps - max(1, math.floor((_second(steps * step) - budget_per_s) / step / 2)))
    return round(steps * step, 6) or budget_per_s / 2


def budget_for(rate_per_s: float) -> int:
    """The least budget, in rows a second, for a rate and its burst."""
    return math.ceil(_second(rate_per_s) - 1e-9)


def _second(rate_per_s: float) -> float:
    return rate_per_s + default_burst(rate_per_s)


def _conflicts(demand: Demand, experiment: Experiment, predicted: Prediction, calibration: Calibration) -> list[str]:
    conflicts = []
    bound = bound_1s(experiment)
    if bound is not None and bound > demand.budget_per_s + 1e-9:
        conflicts.append(
            f"no limiter keeps every second within {demand.budget_per_s:g} rows: a burst of {experiment.limiter.allowed_burst} is the least "
            f"that makes up for a late timer. Fits: --db-budget {budget_for(1)}/s or more"
        )
    if predicted.drain_s > demand.within_s:
        conflicts.append(_too_slow(demand, experiment, predicted, calibration))
    return conflicts


def _too_slow(demand: Demand, experiment: Experiment, predicted: Prediction, calibration: Calibration) -> str:
    """The sentence that says that the drain takes too long, and each option that would fit."""
    left_s, k = demand.within_s - calibration.first_row_s, buckets(experiment)
    effective = calibration.effective or 1
    ways = [f"--answer-within {math.ceil(predicted.drain_s)}s"]
    if left_s > 0:
        sold = min(demand.stock, demand.buyers)
        needed = max(0, sold - k) / left_s / effective
        stock = math.floor(left_s * predicted.rows_per_s) + k
        ways += [f"--db-budget {budget_for(math.ceil(needed))}/s", f"--stock {stock}"]
    return (
        f"--db-budget {demand.budget_per_s:g}/s and --answer-within {demand.within_s:g}s contradict each other: "
        f"{min(demand.stock, demand.buyers):,} rows at {predicted.rows_per_s:,.1f}/s take {predicted.drain_s:,.1f} s. "
        f"Fits: {', or '.join(ways)}"
    )


def _limits(
    demand: Demand, experiment: Experiment, predicted: Prediction, calibration: Calibration, shops: int
) -> list[str]:
    limits = list(calibration.doubts)
    if experiment.workers.count > MOST_WORKERS:
        limits.append(f"a run can have {MOST_WORKERS} workers at most: this cannot be tried as it is")
    if not calibration.saturated:
        seen = f"no worker was seen to place more than {calibration.worker_per_s:,.0f} orders/s, because none was asked to: fewer workers may do"
        limits.append(f"{seen}. To know, add --from a run with limiter.kind = none")
    if predicted.rows_per_s > 1.05 * calibration.rows_per_s:
        limits.append(
            f"no run saw the database take more than {calibration.rows_per_s:,.0f} rows/s: whether its commits keep up with "
            f"{predicted.rows_per_s:,.0f}/s is for a run to show"
        )
    if predicted.won_s >= predicted.drain_s:
        limits.append(
            f"{predicted.rows_per_s:,.0f} rows/s is more than the shop was seen to enqueue ({calibration.wins_per_s * shops:,.0f}/s): "
            "no backlog builds, and the limiter shaves nothing"
        )
    cores = (calibration.machine_cpu_s or 0) * predicted.rows_per_s
    if calibration.cpu_count and cores > calibration.cpu_count * LOAD:
        limits.append(
            f"all of it on one machine like that of the run would keep {cores:.1f} of its {calibration.cpu_count} cores busy while it drains: "
            "give the workers or the database a machine of their own"
        )
    if calibration.buyers and demand.buyers > FAR * calibration.buyers:
        limits.append(
            f"{demand.buyers:,} buyers are {demand.buyers / calibration.buyers:,.0f} × those of the run: that answers/s stay the same, and grow "
            "with each shop up to what one Redis does, is assumed"
        )
    if experiment.broker.kind != calibration.broker:
        limits.append(
            f"the run's broker was {calibration.broker}: how fast orders are enqueued in {experiment.broker.kind} it does not tell"
        )
    return limits
