"""The Celery queue: how many messages wait in it or are held by workers, and with which order numbers."""

import base64
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol
from urllib.parse import urlsplit

import kombu

from loadtest.ledger.connections import connect_redis
from loadtest.manifest.shop import Queue
from loadtest.stack import Services
from loadtest.stack.rabbitmq import Statistics

# One entry `unknown` stands for all messages that workers may hold, where the broker does not say how many.
State = Literal["ready", "unacked", "scheduled", "unknown"]


@dataclass(frozen=True)
class Depth:
    """Messages that wait (`ready`), and messages that workers hold unacknowledged (`unacked`; None: the broker does not say now)."""

    ready: int
    unacked: int | None

    @property
    def total(self) -> int:
        """Messages that have yet to become rows, as far as the broker says."""
        return self.ready + (self.unacked or 0)


class QueueReader(Protocol):
    """Reads a queue without consuming from it."""

    def depth(self) -> Depth:
        """How many messages there are now."""

    def held(self) -> int | None:
        """Messages that workers held at some moment of the last `late_s` seconds; None where the broker cannot tell."""

    @property
    def late_s(self) -> float:
        """How old the answer of `held` may be, in seconds."""

    def entries(self) -> Iterator[tuple[str | None, State]]:
        """(order number, state) of every message; the number is None where the broker does not show the message."""

    def close(self) -> None:
        """Give the connection back."""


def open_queue(services: Services, queue: Queue) -> QueueReader:
    """The reader for the broker among `services`."""
    if urlsplit(services.broker).scheme.startswith("redis"):
        return RedisQueue(services.broker, queue)
    return AmqpQueue(services, queue)


class RedisQueue:
    """A queue of kombu's Redis transport: one list for each of four priorities, and a hash of what workers hold."""

    late_s = 0.0
    PRIORITIES = ("", "\x06\x163", "\x06\x166", "\x06\x169")

    def __init__(self, broker: str, queue: Queue) -> None:
        self._redis = connect_redis(broker)
        self._queue = queue
        self._lists = [queue.name + suffix for suffix in self.PRIORITIES]

    def depth(self) -> Depth:
        """Lengths of the lists, and of the `unacked` hash (which all queues of the broker share)."""
        with self._redis.pipeline(transaction=False) as pipeline:
            for name in self._lists:
                pipeline.llen(name)
            pipeline.hlen("unacked")
            *ready, unacked = pipeline.execute()
        return Depth(sum(ready), unacked)

    def held(self) -> int | None:
        """Length of the `unacked` hash."""
        return self.depth().unacked

    def entries(self) -> Iterator[tuple[str | None, State]]:
        """Order numbers from the messages themselves."""
        for name in self._lists:
            for text in self._redis.lrange(name, 0, -1):
                yield order_number(json.loads(text), self._queue.number), "ready"
        for text in self._redis.hvals("unacked"):
            message, _, routing_key = json.loads(text)
            if routing_key == self._queue.name:
                yield order_number(message, self._queue.number), "unacked"

    def close(self) -> None:
        """Give the connection back."""
        self._redis.close()


class AmqpQueue:
    """A RabbitMQ queue. *Warning:* AMQP tells only what is ready; what workers hold comes from RabbitMQ's management, seconds late."""

    # RabbitMQ gathers statistics every 5 s, of an idle classic queue every 10 s (measured on 3.10).
    late_s = 12.0

    def __init__(self, services: Services, queue: Queue) -> None:
        self._connection = kombu.Connection(services.broker, connect_timeout=3)
        self._statistics = Statistics.of(services, queue.name)
        self._queue = queue

    def depth(self) -> Depth:
        """Messages ready, by a passive declare; 0 for a queue that nobody has declared yet."""
        channel = self._connection.channel()
        try:
            return Depth(channel.queue_declare(self._queue.name, passive=True).message_count, None)
        except self._connection.channel_errors:
            return Depth(0, None)
        finally:
            channel.close()

    def held(self) -> int | None:
        """Messages that workers hold, from RabbitMQ's statistics; up to `late_s` old."""
        return self._statistics.unacked()

    def entries(self) -> Iterator[tuple[str | None, State]]:
        """Every ready message, fetched and put back; then, without numbers, those that workers hold.

        A statistic of 0 held may be out of date, so it counts as not known: one entry `unknown`.
        """
        yield from self._ready()
        if held := self.held():
            yield from itertools.repeat((None, "unacked"), held)
        else:
            yield None, "unknown"

    def _ready(self) -> Iterator[tuple[str, State]]:
        channel = self._connection.channel()
        try:
            while (message := channel.basic_get(self._queue.name)) is not None:
                yield _number_in(json.loads(message.body), self._queue.number), "ready"
        except self._connection.channel_errors:
            return
        finally:
            channel.close()  # what was not acknowledged goes back to the queue

    def close(self) -> None:
        """Give the connection back."""
        self._connection.release()


def order_number(message: dict[str, Any], place: str) -> str:
    """The order number in a message as kombu keeps it on Redis; `place` is ``args.N`` or ``kwargs.NAME``."""
    body = message["body"]
    if message.get("properties", {}).get("body_encoding") == "base64":
        body = base64.b64decode(body)
    return _number_in(json.loads(body), place)


def _number_in(body: Any, place: str) -> str:
    args, kwargs = body[0], body[1]
    kind, _, key = place.partition(".")
    return str(args[int(key)] if kind == "args" else kwargs[key])
