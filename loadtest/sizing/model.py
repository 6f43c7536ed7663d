"""The model: a sale as a queue in which everything flows evenly (a fluid D/D/c queue).

Buyers ask at T0. The shop answers them, and puts the winners' orders on the queue, at rates of its own; from the first row on, orders leave
the queue at the limit, or as fast as the workers can. So with N orders, k limiters and a rate of µ rows a second

    drain    = first row + (N − k) / µ      but no sooner than the last order is on the queue
    backlog  = N − µ × (the time from the first row until the last order is on the queue) − what the workers hold
    busiest  = µ + the part of the bursts that late timers make up

A limiter starts with one unit, not with a burst: the burst is only for time that was missed, and makes no sale shorter.

*Warning:* nothing here fails, waits its turn by chance, or slows down under load. A fault, a lock, or a full machine is for a run to show.
"""

import math
from dataclasses import dataclass

from loadtest.experiment.redelivery import Held
from loadtest.experiment.schema import Experiment
from loadtest.sizing.calibration import Calibration, buckets


@dataclass(frozen=True)
class Prediction:
    """What a sale will do. Seconds count from T0; rates are rows a second; `max_1s` is the busiest second, `bound_1s` what the limiter
    guarantees of every second. `backlog` are orders that wait in the broker at its fullest, `held` those in the workers' hands.
    None: there is no limiter, or no calibration tells.
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
        """Until everybody knows: the losers that it is sold out, the winners that their order stands."""
        return max(self.sold_out_s, self.won_s, self.drain_s)


def predict(experiment: Experiment, calibration: Calibration, asks: int | None = None, shops: int = 1) -> Prediction:
    """What a sale of `experiment` will do, when all buyers come at T0 to so many shops like the one of the calibration.

    `asks` are their requests, by default one of each of the experiment's buyers.
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
    """Rows a second that the workers could place without a limiter, as far as the calibration tells.

    Of a saturated worker it is known: the places of its pool over the time that an order keeps one, and never more than was seen. One
    that held its limit could have done more; it has at most one core for its event loop.
    """
    count = experiment.workers.count
    if calibration.saturated:
        return count * min(experiment.workers.at_once / calibration.service_s, calibration.worker_per_s)
    if calibration.order_cpu_s:
        return count * max(1 / calibration.order_cpu_s, calibration.worker_per_s)
    return None


def bound_1s(experiment: Experiment) -> float | None:
    """Rows that the limiter lets into any second: W·(L + burst), or L + burst where all workers share one."""
    limit = experiment.configured_per_s
    return None if limit is None else limit + buckets(experiment) * experiment.burst


def _busiest(experiment: Experiment, calibration: Calibration, sold: int, rate: float) -> float:
    bound, limit = bound_1s(experiment), experiment.configured_per_s
    if bound is None or limit is None:
        return min(float(sold), rate)
    late = bound - limit if calibration.overshoot is None else calibration.overshoot * (bound - limit)
    return min(float(sold), bound, rate + late)
