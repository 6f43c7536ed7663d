"""Looks at the queue before the shop starts: what an earlier sale left there, or somebody else's worker takes from it, would be judged as this sale's."""

import logging
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from urllib.parse import urlsplit

import kombu
import redis

from loadtest.errors import UsageError
from loadtest.experiment.schema import Experiment
from loadtest.ledger.connections import connect_redis
from loadtest.ledger.queue import QueueReader
from loadtest.ledger.remote_control import celery_at
from loadtest.manifest.shop import Shop

log = logging.getLogger(__name__)

SHOWN = 3
# For what goes away by itself: the consumers of workers that have just ended, and what they give back.
SETTLES_S = 3.0
ANSWER_S = 1.0
BLOCKED = ("brpop", "blpop", "brpoplpush", "blmove")


@dataclass(frozen=True)
class Leftovers:
    """Refuses a sale on a queue that is not its own. `late`: a process of the shop must be there for some of `prepare`.

    *Warning:* of a worker on Redis that does not answer Celery's remote control, only that somebody waits is seen, and is logged.
    """

    experiment: Experiment
    shop: Shop
    broker: str
    queue: QueueReader | None
    late: bool = False

    def before(self) -> None:
        """Look at the queue before the first process of the shop.

        Raises:
            UsageError: messages wait in it; or somebody takes from it, though the manifest starts the workers; or it cannot be read.
        """
        if self.queue is not None:
            self.queue.check()
            self._refuse(self.queue, lambda queue: "" if self.late else self._messages(queue))
            self._refuse(self.queue, lambda _: self._strangers())

    def after(self) -> None:
        """Look at it again once every process is ready.

        Raises:
            UsageError: messages wait in it that should not; or the shop's own workers take from another.
        """
        if self.queue is not None:
            self._refuse(self.queue, lambda queue: self._messages(queue) if self.late else "")
            if starts_workers(self.experiment, self.shop) and (problem := _lasting(self.queue.unheard)):
                raise UsageError(problem)

    def _refuse(self, queue: QueueReader, problem: Callable[[QueueReader], str]) -> None:
        if found := _lasting(lambda: problem(queue)):
            raise UsageError(f"{queue.place}: {found}")

    def _messages(self, queue: QueueReader) -> str:
        """Orders that wait already, with the remedy; nothing if there is none."""
        count = _waiting(queue)
        when = "after prepare" if self.shop.prepare else "before the sale"
        if count == 0:
            return ""
        return (
            f"expected no messages {when}, found {count}{self._numbers(queue)}, which would be placed as orders of this sale; "
            "empty it, or have [prepare] empty it"
        )

    def _numbers(self, queue: QueueReader) -> str:
        """Some order numbers, as far as the messages are readable, and the manifest says where they have one."""
        if self.shop.queue is None or self.shop.queue.number is None:
            return ""
        shown = [number for number, _ in islice(queue.entries(), SHOWN)]
        if shown and not any(shown):
            return ", which the manifest's [queue] cannot read"
        numbers = [number for number in shown if number]
        return f" (such as {', '.join(numbers)})" if numbers else ""

    def _strangers(self) -> str:
        """Somebody else who takes from it, with the remedy; nothing if nobody is seen."""
        if not starts_workers(self.experiment, self.shop) or not (who := _consumers(self.broker, self.shop)):
            return ""
        return (
            f"expected nobody to take from it before the shop's own workers are started, found {who}; "
            "stop that, or give a broker of this sale's own"
        )


def _lasting(problem: Callable[[], str]) -> str:
    """What is wrong, if it still is after `SETTLES_S`."""
    deadline = time.monotonic() + SETTLES_S
    while (found := problem()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def starts_workers(experiment: Experiment, shop: Shop) -> bool:
    """Whether the manifest starts the workers: a process that is there for dispatch `queued` alone, or calls itself one."""
    return any(
        entry.when == "queued" or "worker" in entry.role
        for entry in shop.process
        if entry.when in ("always", experiment.dispatch)
    )


def _waiting(queue: QueueReader) -> int:
    depth = queue.depth()
    if depth.ready and depth.unacked is None:  # RabbitMQ's own count has tasks of other names in it
        return sum(state == "ready" for _, state in queue.entries())
    if not depth.unacked:
        return depth.ready
    # Workers of other queues hold messages in the same place.
    return depth.ready + sum(state == "unacked" for _, state in queue.entries())


def _consumers(broker: str, shop: Shop) -> str:
    """Who takes from a queue of Celery's or RabbitMQ's; of other kinds nobody says."""
    assert shop.queue is not None
    if shop.queue.kind not in ("celery", "rabbitmq"):
        return ""
    if urlsplit(broker).scheme.startswith("redis"):
        return _waiting_on_redis(broker, shop.queue.name)
    with kombu.Connection(broker, connect_timeout=3) as connection:
        try:
            count = connection.default_channel.queue_declare(shop.queue.name, passive=True).consumer_count
        except connection.channel_errors:
            return ""
    return f"{count} consumers" if count else ""


def _waiting_on_redis(broker: str, queue: str) -> str:
    """Redis says who waits for a message, and not on which key; those who are Celery's workers say it themselves."""
    try:
        with closing(connect_redis(broker)) as client:
            database = str(client.connection_pool.connection_kwargs.get("db") or 0)
            blocked = [c["addr"] for c in client.client_list() if c["db"] == database and c["cmd"] in BLOCKED]
    except redis.ResponseError:  # this user may not ask
        return ""
    if not blocked:
        return ""
    with celery_at(broker) as app:
        answers = app.control.inspect(timeout=ANSWER_S).active_queues() or {}
    workers = [name for name, queues in answers.items() if any(each["name"] == queue for each in queues)]
    if not answers:
        log.warning(
            "%s waits for messages in the broker's database; whether in the queue %r is not known", blocked[0], queue
        )
    return f"the worker {', '.join(workers)}" if workers else ""
