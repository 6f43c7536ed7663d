"""Celery's queue on Redis, as kombu keeps it: one list for each priority that messages have, and a hash of what workers hold."""

import json
import re
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

from loadtest.ledger.connections import connect_redis
from loadtest.ledger.messages import number_in_message, parsed, task_of_message
from loadtest.ledger.queue import Depth, Entries, ours_among
from loadtest.manifest.order_queue import Queue
from loadtest.stack.external import without_password

# Between the parts of a key of kombu's.
SEPARATOR = "\x06\x16"
# A message's priority is rounded down to a step: by default 0, 3, 6, 9; `priority_steps` of a shop may be any of 0 to 9.
PRIORITIES = ("", *(f"{SEPARATOR}{step}" for step in range(1, 10)))
BINDINGS = "_kombu.binding."


class CeleryOnRedis:
    """See `QueueReader`. What other tasks are in the queue is looked up anew after `patience_s`."""

    late_s = 0.0

    def __init__(self, broker: str, queue: Queue, patience_s: float) -> None:
        self._redis = connect_redis(broker)
        self._broker = broker
        self._queue = queue
        self._patience_s = patience_s
        self._lists = [queue.name + suffix for suffix in PRIORITIES]
        self._others = (0, 0)
        self._looked_s = float("-inf")

    @property
    def place(self) -> str:
        """See `QueueReader`."""
        return f"the queue {self._queue.name!r} on {without_password(self._broker)}"

    def depth(self) -> Depth:
        """Lengths of the lists, and of the `unacked` hash (which all queues of the broker share), without tasks of another name."""
        with self._redis.pipeline(transaction=False) as pipeline:
            for name in self._lists:
                pipeline.llen(name)
            pipeline.hlen("unacked")
            *ready, unacked = pipeline.execute()
        if self._queue.task is None:
            return Depth(sum(ready), unacked)
        if time.monotonic() - self._looked_s >= self._patience_s:
            self._others = self._count_others(ready, unacked)
            self._looked_s = time.monotonic()
        waiting, held = self._others
        return Depth(max(sum(ready) - waiting, 0), max(unacked - held, 0))

    def held(self) -> int | None:
        """Length of the `unacked` hash."""
        return self.depth().unacked

    def entries(self) -> Entries:
        """Order numbers from the messages themselves; None for one that cannot be read."""
        for name in self._lists:
            for text in self._peek(name, 0, -1):
                if self._is_order(text):
                    yield number_in_message(parsed(text), self._queue.number), "ready"
        bindings: dict[str, list[tuple[str, str]]] = {}
        for text in map(str, self._redis.hvals("unacked")):
            message, exchange, routing_key = _delivered(text)
            if exchange and exchange not in bindings:
                bindings[exchange] = self._bound(exchange)
            ours = self._is_ours(bindings.get(exchange, []) if exchange else [], str(routing_key))
            if ours and self._is_order(text):
                yield number_in_message(message, self._queue.number), "unacked"

    def check(self) -> None:
        """See `QueueReader`. Whatever is in it can be read."""

    def unheard(self) -> str:
        """Workers bind their queue when they begin to take from it."""
        names = sorted({queue for key in self._redis.scan_iter(f"{BINDINGS}*") for queue in self._queues(str(key))})
        if not names or self._queue.name in names:
            return ""
        return f"queue.name = {self._queue.name!r}: Celery's workers take from {', '.join(names)}; say which of these has the orders"

    def close(self) -> None:
        """Give the connection back."""
        self._redis.close()

    def _queues(self, key: str) -> Iterator[str]:
        """The queues that a set of bindings names, without those by which workers are told things."""
        for member in self._redis.smembers(key):
            name = str(member).split(SEPARATOR)[-1]
            if not name.endswith(".pidbox") and not name.startswith("celeryev"):
                yield name

    def _count_others(self, ready: list[int], unacked: int) -> tuple[int, int]:
        """Tasks of other names: how many wait, and how many are held."""
        waiting = sum(
            length - ours_among(length, partial(self._peek, name), self._is_order)
            for name, length in zip(self._lists, ready, strict=True)
        )
        held = sum(not self._is_order(text) for text in map(str, self._redis.hvals("unacked"))) if unacked else 0
        return waiting, held

    def _peek(self, name: str, first: int, last: int) -> list[str]:
        return [str(text) for text in self._redis.lrange(name, first, last)]

    def _is_order(self, text: str) -> bool:
        """Whether a message is of the task that places orders. What cannot be read counts: it may be one."""
        task = self._queue.task
        if task is None or f'"{task}"' in text:  # in its headers; to parse them all would cost a core
            return True
        message = parsed(text)
        return task_of_message(message[0] if isinstance(message, list) and message else message) in (None, task)

    def _bound(self, exchange: str) -> list[tuple[str, str]]:
        """How the queue is bound to `exchange`, as kombu keeps it: (routing key, pattern); a topic exchange has patterns, a direct one keys."""
        members = (str(member).split(SEPARATOR) for member in self._redis.smembers(f"{BINDINGS}{exchange}"))
        return [(key, pattern) for key, pattern, queue in members if queue == self._queue.name]

    def _is_ours(self, bound: list[tuple[str, str]], routing_key: str) -> bool:
        """Whether a message with `routing_key` came through this queue. Without a binding it came by the queue's own name."""
        if not bound:
            return routing_key == self._queue.name
        return any(re.match(pattern, routing_key) if pattern else key == routing_key for key, pattern in bound)


def _delivered(text: str) -> tuple[Any, str | None, Any]:
    """A message that a worker holds, with the exchange and the routing key that it came by."""
    found = parsed(text)
    if not isinstance(found, list) or len(found) < 3:
        return None, None, None
    message, exchange, routing_key = found[:3]
    return message, exchange if isinstance(exchange, str) else json.dumps(exchange), routing_key
