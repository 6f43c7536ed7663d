"""Checks the broker that an experiment asks for against those that the user gave."""

from loadtest.errors import UsageError
from loadtest.experiment.files import lay_over
from loadtest.experiment.redelivery import check_redelivery
from loadtest.experiment.schema import Experiment
from loadtest.manifest.shop import Shop
from loadtest.stack.external import Given, without_password


def follow_given(experiment: Experiment, given: Given) -> Experiment:
    """`experiment` with the kind of the broker that was given, unless it asks for a kind itself.

    Raises:
        UsageError: a broker was given that neither the experiment nor its matrix would use.
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
    """Check that there is a broker with the queue asked for, and that it will not redeliver orders that only wait for the limiter.

    Raises:
        UsageError: there is none, or it would.
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
    """Whether the broker redelivers when the experiment says: always on RabbitMQ, on Redis if the manifest uses ``{broker.visibility_s}``."""
    if experiment.broker.kind == "rabbitmq":
        return True
    commands = [part for process in shop.process for part in process.command]
    return any("{broker.visibility_s}" in text for text in (*shop.env.values(), *commands))
