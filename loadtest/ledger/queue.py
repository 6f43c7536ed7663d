"""The Celery queue: how many messages wait in it or are held by workers, and with which order numbers."""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol
from urllib.parse import urlsplit

import kombu

from loadtest.ledger.connections import TIMEOUT_S, connect_redis
from loadtest.ledger.messages import number_in_body, number_in_message, parsed
from loadtest.manifest.order_queue import Queue
from loadtest.stack import Services
from loadtest.stack.rabbitmq import Statistics

# Between the parts of a key of kombu's.
SEPARATOR = "\x06\x16"
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
    """A queue of kombu's Redis transport: one list for each priority that messages have, and a hash of what workers hold."""

    late_s = 0.0
    # A message's priority is rounded down to a step: by default 0, 3, 6, 9; `priority_steps` of a shop may be any of 0 to 9.
    PRIORITIES = ("", *(f"{SEPARATOR}{step}" for step in range(1, 10)))

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
        """Order numbers from the messages themselves; None for one that cannot be read."""
        for name in self._lists:
            for text in self._redis.lrange(name, 0, -1):
                yield number_in_message(parsed(text), self._queue.number), "ready"
        bindings: dict[str, list[tuple[str, str]]] = {}
        for text in self._redis.hvals("unacked"):
            message, exchange, routing_key = (parsed(text) or (None, None, None))[:3]
            if exchange and exchange not in bindings:
                bindings[exchange] = self._bound(exchange)
            if self._is_ours(bindings.get(exchange, []) if exchange else [], str(routing_key)):
                yield number_in_message(message, self._queue.number), "unacked"

    def close(self) -> None:
        """Give the connection back."""
        self._redis.close()

    def _bound(self, exchange: str) -> list[tuple[str, str]]:
        """How the queue is bound to `exchange`, as kombu keeps it: (routing key, pattern); a topic exchange has patterns, a direct one keys."""
        members = (str(member).split(SEPARATOR) for member in self._redis.smembers(f"_kombu.binding.{exchange}"))
        return [(key, pattern) for key, pattern, queue in members if queue == self._queue.name]

    def _is_ours(self, bound: list[tuple[str, str]], routing_key: str) -> bool:
        """Whether a message with `routing_key` came through this queue. Without a binding it came by the queue's own name."""
        if not bound:
            return routing_key == self._queue.name
        return any(re.match(pattern, routing_key) if pattern else key == routing_key for key, pattern in bound)


class AmqpQueue:
    """A RabbitMQ queue. *Warning:* AMQP tells only what is ready; what workers hold comes from RabbitMQ's management, seconds late."""

    # RabbitMQ gathers statistics every 5 s, of an idle classic queue every 10 s (measured on 3.10).
    late_s = 12.0

    def __init__(self, services: Services, queue: Queue) -> None:
        patience = {
            "read_timeout": TIMEOUT_S,
            "write_timeout": TIMEOUT_S,
        }  # else a broker that is frozen is waited for for ever
        self._connection = kombu.Connection(services.broker, connect_timeout=3, transport_options=patience)
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

    def _ready(self) -> Iterator[tuple[str | None, State]]:
        channel = self._connection.channel()
        try:
            while (message := channel.basic_get(self._queue.name)) is not None:
                compression = (message.headers or {}).get("compression")
                yield number_in_body(message.body, compression, self._queue.number), "ready"
        except self._connection.channel_errors:
            return
        finally:
            channel.close()  # what was not acknowledged goes back to the queue

    def close(self) -> None:
        """Give the connection back."""
        self._connection.release()
