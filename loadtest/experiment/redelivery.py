"""Redelivery: when a broker hands an order out again that a worker still holds, and whether a waiting backlog would meet it.

A worker takes orders from the queue before the limiter lets it place them, and holds them unacknowledged meanwhile, with early
and with late acknowledgement alike. What counts is not the backlog, but what one worker holds over its rate: once the
last of it waits longer than the broker is patient, orders are delivered twice while the first delivery still waits.
"""

import math
from dataclasses import dataclass
from typing import Self

from loadtest.errors import UsageError
from loadtest.experiment.schema import Experiment

# The least default: a child of the built-in shop tries for 5 s before it hands an order back.
LEAST_VISIBILITY_S = 15
MARGIN = 2


@dataclass(frozen=True)
class Held:
    """What one worker holds of the queue, and how fast it places it. `rate_per_s` is None without a limit."""

    orders: int
    rate_per_s: float | None

    @classmethod
    def by(cls, experiment: Experiment) -> Self:
        """Concurrency × prefetch, but never more than are for sale."""
        workers, rate_per_s = experiment.workers, experiment.configured_per_s
        orders = min(workers.at_once * experiment.prefetch, experiment.stock)
        return cls(orders, rate_per_s and rate_per_s / workers.count)

    @property
    def waits_s(self) -> float:
        """How long the last of them waits; unlimited workers make none wait."""
        return self.orders / self.rate_per_s if self.rate_per_s else 0.0


def visibility_s(experiment: Experiment) -> float:
    """Seconds until Redis hands out again what a worker holds: as told, or twice what the last held order waits."""
    told = experiment.broker.visibility_s
    return told or max(LEAST_VISIBILITY_S, math.ceil(MARGIN * Held.by(experiment).waits_s))


def redelivery_s(experiment: Experiment) -> float:
    """Seconds until the broker hands out again what a worker holds that has stopped to answer.

    On Redis that goes for a dead one as well, and the shop's workers look for it five times in that time, at most once a second.
    RabbitMQ takes back what a dead one held as soon as its connection is gone.
    """
    if experiment.broker.kind == "rabbitmq":
        return experiment.broker.consumer_timeout_s
    visible_s = visibility_s(experiment)
    return visible_s + max(1.0, visible_s / 5)


def check_redelivery(experiment: Experiment) -> None:
    """Do the arithmetic.

    Raises:
        UsageError: a waiting backlog would be delivered twice, or come near it.
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
