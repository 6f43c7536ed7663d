"""The broker that an experiment asks for, held against those that were given."""

from loadtest.errors import UsageError
from loadtest.experiment.files import lay_over
from loadtest.experiment.redelivery import check_redelivery
from loadtest.experiment.schema import Experiment
from loadtest.manifest.shop import Shop
from loadtest.stack.external import Given, without_password


def follow_given(experiment: Experiment, given: Given) -> Experiment:
    """`experiment` on the kind of broker that was given, where it does not ask for a kind itself.

    Raises:
        UsageError: a broker was given that nothing in it would use.
    """
    asked = "kind" in experiment.broker.model_fields_set or "broker.kind" in experiment.matrix
    if not asked and len(given.kinds) == 1:
        return lay_over(experiment, {"broker.kind": given.kinds[0]}, "--broker")
    used = experiment.matrix.get("broker.kind", [experiment.broker.kind])
    for url, kind in zip(given.brokers, given.kinds, strict=True):
        if kind not in used:
            raise UsageError(
                f"--broker {without_password(url)}: nothing would use it, broker.kind = {experiment.broker.kind!r}; "
                f"--set broker.kind={kind}, or leave --broker away"
            )
    return experiment


def check_broker(experiment: Experiment, shop: Shop, given: Given) -> None:
    """Whether the queue can be had as it is asked for, and no order on it is handed out twice for waiting.

    Raises:
        UsageError: it cannot.
    """
    if experiment.dispatch != "queued":
        return
    broker = experiment.broker
    if broker.kind == "redis" and broker.queue == "quorum":
        raise UsageError(
            "broker.queue = 'quorum': Redis has lists, and no such queues; --set broker.kind=rabbitmq, or broker.queue=classic"
        )
    if broker.kind == "rabbitmq" and given.broker("rabbitmq") is None:
        raise UsageError(
            "broker.kind = 'rabbitmq': RabbitMQ is not embedded, and none was given; "
            "give --broker amqp://user:password@host/vhost (LOADTEST_BROKER), or --set broker.kind=redis"
        )
    if told_visibility(shop, experiment):
        check_redelivery(experiment)


def told_visibility(shop: Shop, experiment: Experiment) -> bool:
    """Whether the broker hands orders out again when the experiment says: RabbitMQ by itself, Redis if the shop is told to."""
    if experiment.broker.kind == "rabbitmq":
        return True
    commands = [part for process in shop.process for part in process.command]
    return any("{broker.visibility_s}" in text for text in (*shop.env.values(), *commands))
