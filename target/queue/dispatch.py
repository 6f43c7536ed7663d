"""Turns a claim into an order: by writing its row within the request (`Inline`), or by queueing it for the workers (`Queued`).

Both block, so both run in a bounded set of threads, and the event loop stays free.
"""

import asyncio
import sys
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol, TypeVar

from celery import Celery
from kombu import Connection, Producer

from target.config import Config
from target.errors import NotSent, Rejected, Unavailable
from target.queue.celery import PLACE_ORDER, create_celery
from target.stores.claims import Claim
from target.stores.orders import Orders, Placing

T = TypeVar("T")

# The most orders that a publisher thread sends together. All of them are answered when the last one is sent.
MOST_AT_A_TIME = 64
SWITCH_S = 0.0005  # see `Queued.__init__`


class Dispatch(Protocol):
    """Turns claims into orders."""

    async def send(self, claim: Claim) -> None:
        """Returns once the order is safe: its row is committed, or the broker has it.

        Raises:
            NotSent: it was certainly not sent; the claim may be given back.
            Unavailable: it may have been sent; the claim must stand.
            Rejected: the database refused it for good.
        """

    async def close(self) -> None:
        """End the threads and close the connections."""


class Threads:
    """Runs at most `count` calls at a time, each in a thread; further calls wait in the event loop, first come first served."""

    def __init__(self, count: int, name: str) -> None:
        self._executor = ThreadPoolExecutor(count, thread_name_prefix=name)
        self._free = asyncio.Semaphore(count)

    async def run(self, function: Callable[..., T], *args: object) -> T:
        """Call ``function(*args)`` in a thread, and return or raise what it does."""
        async with self._free:
            return await asyncio.get_running_loop().run_in_executor(self._executor, function, *args)

    def close(self) -> None:
        """End each thread after its present call; calls not yet begun are cancelled."""
        self._executor.shutdown(wait=False, cancel_futures=True)


class Inline:
    """Writes the order's row within the request, in one of `db_pool` threads."""

    def __init__(self, config: Config, orders: Placing | None = None) -> None:
        self._threads = Threads(config.db_pool, "database")
        self._orders = orders or Orders(config, config.db_pool)

    async def send(self, claim: Claim) -> None:
        """See `Dispatch.send`."""
        if await self._threads.run(self._orders.place, claim) == "rejected":
            raise Rejected(f"the database refused {claim.number}")

    async def close(self) -> None:
        """See `Dispatch.close`."""
        self._threads.close()
        self._orders.close()


@dataclass(frozen=True, slots=True)
class Waiting:
    """An order that waits for a publisher thread, and the future that its request awaits."""

    claim: Claim
    done: asyncio.Future[None]

    def tell(self, failure: Unavailable | None) -> None:
        """End the request's wait, with `failure` if there is one. Does nothing if the request was cancelled."""
        if self.done.done():
            return
        if failure is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(failure)


class Queued:
    """Sends orders to the broker, from threads that each keep a connection and drop it after any error.

    A thread sends all waiting orders together, up to MOST_AT_A_TIME. They share one exchange with the broker, its
    outcome, and the two switches between event loop and thread, which cost as much as a publish.
    """

    def __init__(self, config: Config) -> None:
        self._celery = create_celery(config)
        self._threads = Threads(config.publishers, "publisher")
        self._held = threading.local()
        self._timeout_s = config.timeout_s
        self._waiting: deque[Waiting] = deque()
        self._most = config.publishers
        self._working: set[asyncio.Task[None] | None] = set()
        # After each exchange with the broker a publisher thread waits for the GIL, which a busy event loop releases only after
        # this interval. At Python's default of 5 ms the losers of a herd would delay the answers to its winners.
        sys.setswitchinterval(SWITCH_S)

    async def send(self, claim: Claim) -> None:
        """See `Dispatch.send`. There is no time-out on the wait for a free thread: the claim stands in any case."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(Waiting(claim, done))
        if len(self._working) < self._most:
            self._working.add(asyncio.get_running_loop().create_task(self._work()))
        await done

    async def close(self) -> None:
        """See `Dispatch.close`."""
        self._threads.close()

    async def _work(self) -> None:
        """Has one thread send until nothing waits.

        Between the last look at `_waiting` and leaving `_working` nothing may be awaited: an order that came then would wait for ever.
        """
        try:
            while self._waiting:
                await self._send_some()
        finally:
            self._working.discard(asyncio.current_task())

    async def _send_some(self) -> None:
        batch = [self._waiting.popleft() for _ in range(min(MOST_AT_A_TIME, len(self._waiting)))]
        try:
            failures = await self._threads.run(self._publish_all, batch)
        except BaseException as error:
            failures = [Unavailable(f"the publisher ended: {error}")] * len(batch)
            raise
        finally:
            for waiting, failure in zip(batch, failures, strict=True):
                waiting.tell(failure)

    def _publish_all(self, batch: list[Waiting]) -> list[Unavailable | None]:
        """Send `batch` in one exchange with the broker; returns for each order its failure, or None. If the exchange fails, all have failed."""
        try:
            producer = self._producer()
        except Exception as error:
            self._drop()
            return [NotSent(f"no connection to the broker: {error}")] * len(batch)
        try:
            with producer.batch(len(batch)):
                for waiting in batch:
                    self._publish(producer, waiting.claim)
        except Exception as error:
            self._drop()
            if refused(error):
                return [NotSent(f"the broker refused the connection: {error}")] * len(batch)
            return [Unavailable(f"the broker did not confirm {waiting.claim.number}: {error}") for waiting in batch]
        return [None] * len(batch)

    def _publish(self, producer: Producer, claim: Claim) -> None:
        # By default `send_task` puts a repr of all arguments into the headers. It is slow to make, and nothing reads it.
        arguments = (claim.number, claim.buyer, claim.nth)
        self._celery.send_task(PLACE_ORDER, arguments, producer=producer, argsrepr=claim.number, kwargsrepr="{}")

    def _producer(self) -> Producer:
        if getattr(self._held, "producer", None) is None:
            self._held.producer = open_producer(self._celery, self._timeout_s)
        return self._held.producer

    def _drop(self) -> None:
        producer, self._held.producer = getattr(self._held, "producer", None), None
        if producer is not None:
            with suppress(Exception):  # it is broken already; further errors tell nothing new
                producer.connection.collect(socket_timeout=0.1)


def open_producer(celery: Celery, timeout_s: float) -> Producer:
    """A producer on a new connection, which is established before this returns. One attempt; raises what kombu raises."""
    connection: Connection = celery.connection_for_write()
    try:
        connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0, timeout=timeout_s)
        return celery.amqp.Producer(connection.default_channel)
    except BaseException:
        connection.collect(socket_timeout=0.1)
        raise


def refused(error: BaseException) -> bool:
    """Whether `error` proves that nothing was sent: its chain of causes has an OSError, and each is a ConnectionRefusedError.

    Retries are off: after a command was sent and the connection reset, there is no second attempt that could be refused. So a
    refusal means that the one attempt never had a connection.
    """
    system: list[OSError] = []
    links: list[BaseException | None] = [error]
    while links:
        link = links.pop()
        if link is None:
            continue
        if isinstance(link, OSError):
            system.append(link)
        links += [link.__cause__, link.__context__ if link.__context__ is not link.__cause__ else None]
    return bool(system) and all(isinstance(failure, ConnectionRefusedError) for failure in system)
