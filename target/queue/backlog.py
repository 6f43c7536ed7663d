"""The backlog of orders on the queue, which a sale that begins anew must not inherit."""

from kombu import Connection
from kombu.utils.json import loads

from target.config import Config
from target.queue.celery import QUEUE, create_celery


def purge(config: Config) -> None:
    """Empty the queue of orders, and no other: what waits, and on Redis what dead workers still hold.

    On RabbitMQ the queue is made anew, of the type that the sale wants: one that exists keeps its own, and refuses another.

    *Warning:* run it with no worker alive: what a worker holds is placed afterwards.
    """
    celery = create_celery(config)
    with celery.connection_for_write() as connection:
        connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0, timeout=config.timeout_s)
        queue = celery.amqp.queues[QUEUE](connection.default_channel)
        if connection.transport.driver_type == "redis":
            queue.declare()
            queue.purge()
            _purge_unacked(connection)
        else:
            queue.delete()
            queue.declare()


def _purge_unacked(connection: Connection) -> None:
    channel = connection.default_channel
    for tag, held in channel.client.hgetall(channel.unacked_key).items():
        _, _, routing_key = loads(held)
        if routing_key == QUEUE:
            channel.client.hdel(channel.unacked_key, tag)
            channel.client.zrem(channel.unacked_index_key, tag)
