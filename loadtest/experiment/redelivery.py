"""Redelivery: when a broker hands out again an order that a worker still holds, and whether that happens to orders that only wait.

A worker takes orders from the queue before the limiter lets it place them, and holds them unacknowledged meanwhile, with early
and with late acknowledgement alike. So what counts is not the backlog, but the orders that one worker holds divided by its rate: once
the last of them waits longer than the broker's timeout, orders are delivered twice while the first delivery still waits.
"""

import math
from dataclasses import dataclass
from typing import Self

from loadtest.errors import UsageError
from loadtest.experiment.schema import Experiment

# The least default, in seconds: a pool process of the built-in shop retries for 5 s before it returns an order to the queue.
LEAST_VISIBILITY_S = 15
MARGIN = 2


@dataclass(frozen=True)
class Held:
    """How many orders one worker holds unacknowledged, and how fast it places them. `rate_per_s` is None without a limit."""

    orders: int
    rate_per_s: float | None

    @classmethod
    def by(cls, experiment: Experiment) -> Self:
        """Concurrency × prefetch orders, but at most the stock."""
        workers, rate_per_s = experiment.workers, experiment.configured_per_s
        orders = min(workers.at_once * experiment.prefetch, experiment.stock)
        return cls(orders, rate_per_s and rate_per_s / workers.count)

    @property
    def waits_s(self) -> float:
        """Seconds that the last of them waits; 0 without a limit."""
        return self.orders / self.rate_per_s if self.rate_per_s else 0.0


def visibility_s(experiment: Experiment) -> float:
    """Seconds until Redis hands out again what a worker holds: as set, or twice what the last held order waits, and 15 at least."""
    told = experiment.broker.visibility_s
    return told or max(LEAST_VISIBILITY_S, math.ceil(MARGIN * Held.by(experiment).waits_s))


def redelivery_s(experiment: Experiment) -> float:
    """Seconds until the broker hands out again what a worker holds that has stopped answering.

    On Redis the same holds for a worker that died; the shop's workers look for such orders five times in that time, at most once a
    second. RabbitMQ takes back what a dead worker held as soon as its connection is gone.
    """
    if experiment.broker.kind == "rabbitmq":
        return experiment.broker.consumer_timeout_s
    visible_s = visibility_s(experiment)
    return visible_s + max(1.0, visible_s / 5)


def check_redelivery(experiment: Experiment) -> None:
    """Check that no order that a worker holds waits longer than half of the broker's timeout.

    Raises:
        UsageError: one would, so that it might be delivered twice.
    """
    held = Held.by(experiment)
    rabbitmq = experiment.broker.kind == "rabbitmq"
    patience_s = experiment.broker.consumer_timeout_s if rabbitmq else visibility_s(experiment)
    if MARGIN * held.waits_s <= patience_s:
        return
    key = "broker.consumer_timeout_s" if rabbitmq else "broker.visibility_s"
    least = math.ceil(MARGIN * held.waits_s)
    raised = f"consumer_timeout in RabbitMQ, and {key} with it, to {least}" if rabbitmq else f"{key} to {least}"
    raise UsageError(
        f"workers.prefetch = {experiment.prefetch}: {_product(experiment, held)} at {held.rate_per_s:g}/s take "
        f"{held.waits_s:.3g} s; above half of {key} = {patience_s:g}: they would be delivered twice; "
        f"lower workers.prefetch or raise {raised}"
    )


def _product(experiment: Experiment, held: Held) -> str:
    at_once, prefetch = experiment.workers.at_once, experiment.prefetch
    product = at_once * prefetch
    text = f"{at_once} × {prefetch} = {product} orders held"
    return text if product == held.orders else f"{text}, of which there are {held.orders},"
