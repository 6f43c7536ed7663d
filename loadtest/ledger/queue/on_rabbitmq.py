"""Queues of RabbitMQ: Celery's, and those of anybody else's messages."""

import itertools
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import kombu

from loadtest.ledger.connections import TIMEOUT_S
from loadtest.ledger.messages import number_in_body, number_in_entry, task_of_body
from loadtest.ledger.queue import Depth, Entries
from loadtest.ledger.remote_control import celery_at
from loadtest.manifest.order_queue import Queue
from loadtest.stack import Services
from loadtest.stack.external import without_password
from loadtest.stack.rabbitmq import Statistics

ANSWER_S = 1.0  # for workers to say what they hold


class RabbitQueue:
    """See `QueueReader`. *Warning:* AMQP tells only what is ready; what workers hold comes from RabbitMQ's management, seconds late."""

    # RabbitMQ gathers statistics every 5 s, of an idle classic queue every 10 s (measured on 3.10).
    late_s = 12.0

    def __init__(self, services: Services, queue: Queue) -> None:
        patience = {
            "read_timeout": TIMEOUT_S,
            "write_timeout": TIMEOUT_S,
        }  # else a broker that is frozen is waited for for ever
        self._connection = kombu.Connection(services.broker, connect_timeout=3, transport_options=patience)
        self._statistics = Statistics.of(services, queue.name)
        self._broker = services.broker
        self._queue = queue

    @property
    def place(self) -> str:
        """See `QueueReader`."""
        return f"the queue {self._queue.name!r} on {without_password(self._broker)}"

    def depth(self) -> Depth:
        """Messages ready, by a passive declare; 0 for a queue that nobody has declared yet. *Warning:* also those that are no orders."""
        return Depth(self._declared() or 0, None)

    def held(self) -> int | None:
        """Messages that workers hold, from RabbitMQ's statistics; up to `late_s` old."""
        return self._statistics.unacked()

    def entries(self) -> Entries:
        """Every ready order, fetched and put back; then, without numbers, those that workers hold.

        A statistic of 0 held may be out of date, so it counts as not known: one entry `unknown`.
        """
        yield from ((self._number(message), "ready") for message in self._ready() if self._is_order(message))
        if held := self.held():
            yield from itertools.repeat((None, "unacked"), held)
        else:
            yield None, "unknown"

    def check(self) -> None:
        """See `QueueReader`. Whatever is in it can be read."""

    def unheard(self) -> str:
        """Workers declare their queue when they begin to take from it, at the latest."""
        if self._declared() is not None:
            return ""
        return f"queue.name = {self._queue.name!r}: there is no such queue on {without_password(self._broker)}; say what the shop calls it"

    def close(self) -> None:
        """Give the connection back."""
        self._connection.release()

    def _declared(self) -> int | None:
        """How many messages are ready; None where there is no such queue."""
        channel = self._connection.channel()
        try:
            return int(channel.queue_declare(self._queue.name, passive=True).message_count)
        except self._connection.channel_errors:
            return None
        finally:
            channel.close()

    def _ready(self) -> Iterator[Any]:
        channel = self._connection.channel()
        try:
            while (message := channel.basic_get(self._queue.name)) is not None:
                yield message
        except self._connection.channel_errors:
            return
        finally:
            channel.close()  # what was not acknowledged goes back to the queue

    def _number(self, message: Any) -> str | None:
        return number_in_entry(_text(message.body), self._queue.number)

    def _is_order(self, message: Any) -> bool:
        return self._queue.task is None or self._queue.task in _text(message.body)


class CeleryOnRabbit(RabbitQueue):
    """Celery's queue on RabbitMQ."""

    def held(self) -> int | None:
        """Messages that workers hold, without those that they say are of another task, such as tasks for later."""
        held = super().held()
        return max(held - self._others(), 0) if held and self._queue.task else held

    def _number(self, message: Any) -> str | None:
        return number_in_body(message.body, (message.headers or {}).get("compression"), self._queue.number)

    def _is_order(self, message: Any) -> bool:
        """What cannot be read counts: it may be one."""
        headers = message.headers or {}
        task = headers.get("task") or task_of_body(message.body, headers.get("compression"))
        return self._queue.task is None or task in (None, self._queue.task)

    def _others(self) -> int:
        """Tasks of another name that workers say they keep for later. Those that they run soon go by themselves."""
        with celery_at(self._broker) as app, closing(app.connection_for_write()) as connection:
            answers = app.control.inspect(timeout=ANSWER_S, connection=connection).scheduled() or {}
        return sum(task["request"]["name"] != self._queue.task for tasks in answers.values() for task in tasks)


def _text(body: str | bytes | memoryview) -> str:
    return body if isinstance(body, str) else bytes(body).decode(errors="replace")
