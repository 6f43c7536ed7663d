"""Empties the queue of orders, so that a new sale does not inherit the backlog of an earlier one."""

from kombu import Connection
from kombu.utils.json import loads

from target.config import Config
from target.queue.celery import QUEUE, create_celery


def purge(config: Config) -> None:
    """Empty the queue of orders, and no other: ready messages, and on Redis also the unacknowledged ones of dead workers, and their lock.

    On RabbitMQ the queue is deleted and declared anew, because an existing queue keeps its type (classic or quorum) and refuses another.

    *Warning:* no worker may run meanwhile: orders that a worker holds would be placed afterwards.

    Raises:
        OperationalError: the broker does not answer.
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
    # The lock of the sweep that redelivers. Left by a worker of an earlier sale, it would keep this one's from it, for five minutes by default.
    channel.client.delete(channel.unacked_mutex_key)
    for tag, held in channel.client.hgetall(channel.unacked_key).items():
        _, _, routing_key = loads(held)
        if routing_key == QUEUE:
            channel.client.hdel(channel.unacked_key, tag)
            channel.client.zrem(channel.unacked_index_key, tag)
