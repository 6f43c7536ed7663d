"""Queues: how many orders wait in the queue or are held by workers, and with which order numbers, one kind of queue a file.

Each member is a `QueueReader`; `open_queue` finds the one that a manifest asks for. A reader consumes nothing. Not here: who may leave
something in a queue (`loadtest.sale.leftovers`). Read first: `QueueReader`; the smallest member is `by_command`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol
from urllib.parse import urlsplit

from loadtest.manifest.order_queue import Queue
from loadtest.stack import Services
from loadtest.stack.whereabouts import Whereabouts

# One entry `unknown` stands for all messages that workers may hold, where the broker does not say how many.
State = Literal["ready", "unacked", "scheduled", "unknown"]
Entries = Iterator[tuple[str | None, State]]

# Entries that are looked at one by one. Of a longer queue so many at each end are, and the rest is taken to be like them.
LOOKED_AT = 500


@dataclass(frozen=True)
class Depth:
    """Orders that wait (`ready`), and orders that workers hold unacknowledged (`unacked`; None: the broker does not say now)."""

    ready: int
    unacked: int | None

    @property
    def total(self) -> int:
        """Orders that have yet to become rows, as far as the broker says."""
        return self.ready + (self.unacked or 0)


class QueueReader(Protocol):
    """Reads a queue without consuming from it. Where the manifest names a `task`, whatever else is in the queue does not count."""

    @property
    def place(self) -> str:
        """What messages call it, without a password."""

    def depth(self) -> Depth:
        """How many orders there are now."""

    def held(self) -> int | None:
        """Orders that workers held at some moment of the last `late_s` seconds; None where the broker cannot tell."""

    @property
    def late_s(self) -> float:
        """How old the answer of `held` may be, in seconds."""

    def entries(self) -> Entries:
        """(order number, state) of every order; the number is None where the broker does not show the message."""

    def check(self) -> None:
        """Look whether it can be read. Raises UsageError where it cannot, whatever the shop does."""

    def unheard(self) -> str:
        """Why no worker can be taking from it, once workers are ready; nothing where one may be, or nobody can tell."""

    def close(self) -> None:
        """Give the connection back."""


def open_queue(
    services: Services, queue: Queue, whereabouts: Whereabouts | None = None, patience_s: float = 0.0
) -> QueueReader:
    """The reader of the queue that the manifest declares. `patience_s`: for so long it may remember what else was in the queue."""
    from loadtest.ledger.queue.bullmq import BullQueue
    from loadtest.ledger.queue.by_command import CommandQueue
    from loadtest.ledger.queue.celery_on_redis import CeleryOnRedis
    from loadtest.ledger.queue.on_rabbitmq import CeleryOnRabbit, RabbitQueue
    from loadtest.ledger.queue.redis_lists import ListQueue
    from loadtest.ledger.queue.redis_streams import StreamQueue

    match queue.kind:
        case "celery" if urlsplit(services.broker).scheme.startswith("redis"):
            return CeleryOnRedis(services.broker, queue, patience_s)
        case "celery":
            return CeleryOnRabbit(services, queue)
        case "rabbitmq":
            return RabbitQueue(services, queue)
        case "redis_list":
            return ListQueue(services.redis, queue)
        case "redis_stream":
            return StreamQueue(services.redis, queue)
        case "bullmq":
            return BullQueue(services.redis, queue)
        case "command":
            return CommandQueue(queue, whereabouts or Whereabouts(services, {}, {}))


def ours_among(length: int, peek: Callable[[int, int], Sequence[str]], is_ours: Callable[[str], bool]) -> int:
    """How many of the `length` entries are ours. `peek` gives the entries from one index to another, as LRANGE does.

    *Warning:* of more than `LOOKED_AT` it is the share of those at both ends.
    """
    if length <= LOOKED_AT:
        return sum(map(is_ours, peek(0, -1))) if length else 0
    seen = [*peek(0, LOOKED_AT // 2 - 1), *peek(-LOOKED_AT // 2, -1)]
    return round(length * sum(map(is_ours, seen)) / max(len(seen), 1))
