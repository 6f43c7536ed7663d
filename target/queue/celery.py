"""Celery's settings for the queue of orders, the same for publishers and workers."""

import os
from functools import partial
from typing import Any

from celery import Celery
from kombu import Exchange, Queue

from target.config import Config

QUEUE = "orders"
# RabbitMQ 4 drops a quorum queue's message after 20 returns to the queue, by default: 100 s without a database would lose orders.
RETURNS = 1_000_000
PLACE_ORDER = "target.worker.tasks.place_order"
# Celery takes these over what its application says, and would empty and fill the queue of another broker.
CELERYS_VARIABLES = ("CELERY_BROKER_URL", "CELERY_BROKER_READ_URL", "CELERY_BROKER_WRITE_URL", "CELERY_RESULT_BACKEND")
CELERYS_OWN = "celery.worker.consumer:Consumer"


def create_celery(config: Config) -> Celery:
    """The shop's Celery application, for publishers and workers. Connects to nothing."""
    for name in CELERYS_VARIABLES:
        os.environ.pop(name, None)
    app = Celery("shop", broker=config.broker_url, include=["target.worker.tasks"])
    app.conf.update(
        # JSON only: with pickle, whoever can write to the broker could run code in the workers.
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        task_default_queue=QUEUE,
        task_queues=[Queue(QUEUE, Exchange(QUEUE), QUEUE, queue_arguments=_queue_arguments(config))],
        # Acknowledged late, and requeued if the child process died: each order is placed at least once, and UNIQUE makes that once.
        # With early acknowledgement the orders of a killed child or worker are lost.
        task_acks_late=config.ack == "late",
        task_reject_on_worker_lost=config.ack == "late",
        task_annotations={PLACE_ORDER: _limit(config)},
        # Publishing: one attempt, bounded in time. Whether a failed one may have arrived is decided by the caller (`target.queue.dispatch`).
        task_publish_retry=False,
        broker_transport=None if config.broker_url.startswith("amqp") else "target.queue.broker:Transport",
        broker_connection_timeout=config.timeout_s,
        broker_transport_options=_transport(config),
        # Workers.
        worker_consumer=CELERYS_OWN if config.limiter == "native" else "target.limiter.consumer:Consumer",
        worker_prefetch_multiplier=config.prefetch,
        worker_enable_prefetch_count_reduction=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_hijack_root_logger=True,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        # With a quorum queue each worker also declares 28 queues for delayed tasks. The shop has none, so let those be of the cheap type.
        broker_native_delayed_delivery_queue_type="classic",
        # When a worker holds an order for too long, RabbitMQ closes its channel (PreconditionFailed). Reconnect: Celery's default is to exit.
        broker_channel_error_retry=True,
    )
    return app


def _queue_arguments(config: Config) -> dict[str, Any] | None:
    if config.queue_type == "classic":
        return None
    # By this type Celery knows to set the prefetch for each consumer: quorum queues refuse a global one.
    return {"x-queue-type": "quorum", "x-delivery-limit": RETURNS}


def _limit(config: Config) -> dict[str, Any]:
    """The task's attributes that `target.limiter.consumer.Consumer` reads; of these, Celery's own consumer reads only ``rate_limit``."""
    limit: dict[str, Any] = {"batch": config.batch} if config.batch > 1 else {}
    if config.limiter == "none":
        return limit
    limit |= {"rate_limit": f"{config.rate_per_s}/s", "burst": config.burst}
    if config.limiter == "shared":
        from target.limiter.budget import Budget, Shared

        limit["pace"] = partial(Shared, budget=Budget(config), workers=config.workers)
    return limit


def _transport(config: Config) -> dict[str, Any]:
    if config.broker_url.startswith("amqp"):
        return {
            "confirm_publish": True,  # without it, RabbitMQ drops messages silently
            "read_timeout": config.timeout_s * 5,
            "write_timeout": config.timeout_s,
            "max_retries": 0,
        }
    return {
        # Orders that a killed worker held are redelivered after the first, and looked for as often as the second says (seconds).
        "visibility_timeout": config.visibility_s,
        "unacked_restore_interval": max(1.0, config.visibility_s / 5),
        "unacked_restore_throttle": 1,
        # Above 1 s, for which an idle worker blocks in BRPOP.
        "socket_timeout": max(config.timeout_s, 2.0),
        "socket_connect_timeout": config.timeout_s,
        "socket_keepalive": True,
    }
