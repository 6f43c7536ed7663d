"""The settings of Celery for orders, the same for those who enqueue and for the workers."""

from functools import partial
from typing import Any

from celery import Celery
from kombu import Exchange, Queue

from target.config import Config

QUEUE = "orders"
# RabbitMQ 4 drops a message of a quorum queue that went back 20 times: 100 s without a database would lose orders.
RETURNS = 1_000_000
PLACE_ORDER = "target.worker.tasks.place_order"
CELERYS_OWN = "celery.worker.consumer:Consumer"


def create_celery(config: Config) -> Celery:
    """The Celery application of the shop, for those who enqueue and for the workers."""
    app = Celery("shop", broker=config.broker_url, include=["target.worker.tasks"])
    app.conf.update(
        # JSON alone: pickle would run code for whoever can write to the broker.
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        task_default_queue=QUEUE,
        task_queues=[Queue(QUEUE, Exchange(QUEUE), QUEUE, queue_arguments=_queue_arguments(config))],
        # Late, and again if the child died: an order is placed at least once, and the database makes it once.
        # Early, what a killed child or worker was placing is lost.
        task_acks_late=config.ack == "late",
        task_reject_on_worker_lost=config.ack == "late",
        task_annotations={PLACE_ORDER: _limit(config)},
        # Publishing: one attempt, bounded in time; whether it may have arrived is for the caller to judge.
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
        # With a quorum queue each worker also makes 28 queues for orders with a delay, of which there are none: at least cheap ones.
        broker_native_delayed_delivery_queue_type="classic",
        # RabbitMQ takes back what a worker holds for too long, by an error of the channel: reconnect, do not exit.
        broker_channel_error_retry=True,
    )
    return app


def _queue_arguments(config: Config) -> dict[str, Any] | None:
    if config.queue_type == "classic":
        return None
    # Celery sees this type, and sets its prefetch for each consumer: quorum queues refuse a global one.
    return {"x-queue-type": "quorum", "x-delivery-limit": RETURNS}


def _limit(config: Config) -> dict[str, Any]:
    """Attributes of the task, as `target.limiter.consumer.Consumer` reads them; Celery's own reads only the first."""
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
            "confirm_publish": True,  # else RabbitMQ drops messages without a word
            "read_timeout": config.timeout_s * 5,
            "write_timeout": config.timeout_s,
            "max_retries": 0,
        }
    return {
        # What a killed worker held is handed out again after this, and looked for this often.
        "visibility_timeout": config.visibility_s,
        "unacked_restore_interval": max(1.0, config.visibility_s / 5),
        "unacked_restore_throttle": 1,
        # Above the second that an idle worker waits in BRPOP.
        "socket_timeout": max(config.timeout_s, 2.0),
        "socket_connect_timeout": config.timeout_s,
        "socket_keepalive": True,
    }
