"""The model: a sale as a queue in which everything flows evenly (a fluid D/D/c queue).

All buyers ask at T0. The shop answers them, and enqueues the winners' orders, at the rates of the calibration; from the first row on, orders
leave the queue at the limit, or as fast as the workers can if that is less. So with N orders, k limiters and a rate of µ rows a second

    drain    = first row + (N − k) / µ      but no sooner than the last order is on the queue
    backlog  = N − µ × (the time from the first row until the last order is on the queue) − what the workers hold
    busiest  = µ + the part of the bursts that late timers make up

A limiter starts with one order allowed, not with a burst: the burst only makes up for time that was missed, and makes no sale shorter.

*Warning:* the model knows no failures, no random waiting and no slowdown under load. Faults, locks and a saturated machine show only in a run.
"""

import math
from dataclasses import dataclass

from loadtest.experiment.redelivery import Held
from loadtest.experiment.schema import Experiment
from loadtest.sizing.calibration import Calibration, buckets


@dataclass(frozen=True)
class Prediction:
    """What a sale will do. Seconds count from T0; rates are rows a second; `max_1s` is the busiest second, `bound_1s` what the limiter
    guarantees for every second, `capacity_per_s` what the workers could do without a limiter. `backlog`: orders waiting in the broker at most,
    `held`: orders that workers hold then. `sold_out_s`, `won_s`: when the last loser and the last winner have their answer.
    None: there is no limiter, or the calibration does not tell.
    """

    rows_per_s: float
    capacity_per_s: float | None
    max_1s: float
    bound_1s: float | None
    drain_s: float
    backlog: float
    held: int
    backlog_bytes: float | None
    sold_out_s: float
    won_s: float

    @property
    def answered_s(self) -> float:
        """Seconds until everybody has a final answer: losers that it is sold out, winners that their order is stored."""
        return max(self.sold_out_s, self.won_s, self.drain_s)


def predict(experiment: Experiment, calibration: Calibration, asks: int | None = None, shops: int = 1) -> Prediction:
    """What a sale of `experiment` will do when all buyers come at T0 to `shops` shops, each as fast as the calibration's.

    `asks`: how many requests they send; by default one for each of the experiment's buyers.
    """
    asks = experiment.buyers if asks is None else asks
    sold, k = min(experiment.stock, asks), buckets(experiment)
    capacity = capacity_per_s(experiment, calibration)
    limit = experiment.configured_per_s
    rate = min(math.inf if limit is None else limit * (calibration.effective or 1), capacity or math.inf)
    queued_s = sold / (calibration.wins_per_s * shops)
    rate = rate if math.isfinite(rate) else calibration.wins_per_s * shops
    drain_s = max(calibration.first_row_s + max(0, sold - k) / rate, queued_s)
    held = min(sold, experiment.workers.count * Held.by(experiment).orders)
    backlog = max(0.0, sold - rate * max(0.0, queued_s - calibration.first_row_s) - held)
    size = calibration.message_bytes if experiment.broker.kind == "redis" else None
    return Prediction(
        rows_per_s=rate,
        capacity_per_s=capacity,
        max_1s=_busiest(experiment, calibration, sold, rate),
        bound_1s=bound_1s(experiment),
        drain_s=drain_s,
        backlog=backlog,
        held=held,
        backlog_bytes=None if size is None else (backlog + held) * size,
        sold_out_s=asks / (calibration.answers_per_s * shops) if asks > sold else 0.0,
        won_s=queued_s,
    )


def capacity_per_s(experiment: Experiment, calibration: Calibration) -> float | None:
    """Rows a second that the workers could place without a limiter; None if the calibration does not tell.

    If the calibration's worker was saturated: the places of a pool ÷ the time that an order occupies one, and at most what that worker
    placed. If it kept up with its limit, it could have done more: as much as one core does, because its event loop has no more than one.
    """
    count = experiment.workers.count
    if calibration.saturated:
        return count * min(experiment.workers.at_once / calibration.service_s, calibration.worker_per_s)
    if calibration.order_cpu_s:
        return count * max(1 / calibration.order_cpu_s, calibration.worker_per_s)
    return None


def bound_1s(experiment: Experiment) -> float | None:
    """The most rows that the limiter allows in any second: W·(L + burst), or L + burst where all workers share one; None without a limiter."""
    limit = experiment.configured_per_s
    return None if limit is None else limit + buckets(experiment) * experiment.burst


def _busiest(experiment: Experiment, calibration: Calibration, sold: int, rate: float) -> float:
    bound, limit = bound_1s(experiment), experiment.configured_per_s
    if bound is None or limit is None:
        return min(float(sold), rate)
    late = bound - limit if calibration.overshoot is None else calibration.overshoot * (bound - limit)
    return min(float(sold), bound, rate + late)
