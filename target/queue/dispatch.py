"""What becomes of a claim: the row is written in the request (`inline`), or the order is queued for the workers (`queued`).

Both block, so both run in a bounded set of threads; the event loop never waits for them.
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

# The most orders that one hand-over to a publisher takes along; the first of them waits for the last.
MOST_AT_A_TIME = 64
SWITCH_S = 0.0005


class Dispatch(Protocol):
    """Takes over a claim."""

    async def send(self, claim: Claim) -> None:
        """Returns when the order is safe where it belongs.

        Raises:
            NotSent: it provably got nowhere; the claim may be given back.
            Unavailable: nobody knows; the claim must stand.
            Rejected: the database refused it for good.
        """

    async def close(self) -> None:
        """Give threads and connections back."""


class Threads:
    """At most `count` calls at a time, each in a thread; the rest wait in the event loop, in order."""

    def __init__(self, count: int, name: str) -> None:
        self._executor = ThreadPoolExecutor(count, thread_name_prefix=name)
        self._free = asyncio.Semaphore(count)

    async def run(self, function: Callable[..., T], *args: object) -> T:
        """Call `function` in a thread."""
        async with self._free:
            return await asyncio.get_running_loop().run_in_executor(self._executor, function, *args)

    def close(self) -> None:
        """End the threads when they are done."""
        self._executor.shutdown(wait=False, cancel_futures=True)


class Inline:
    """Writes the row in the request."""

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
    """An order that waits for a publisher, and the request that waits for it."""

    claim: Claim
    done: asyncio.Future[None]

    def tell(self, failure: Unavailable | None) -> None:
        """End the wait of the request, if it is still there."""
        if self.done.done():
            return
        if failure is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(failure)


class Queued:
    """Puts orders on the queue, from threads that each hold a connection and drop it after any error.

    A thread takes several waiting orders at a time, and sends them together: they share an exchange with the broker, its
    outcome, and the two hand-overs between loop and thread, which cost as much as a publish.
    """

    def __init__(self, config: Config) -> None:
        self._celery = create_celery(config)
        self._threads = Threads(config.publishers, "publisher")
        self._held = threading.local()
        self._timeout_s = config.timeout_s
        self._waiting: deque[Waiting] = deque()
        self._most = config.publishers
        self._working: set[asyncio.Task[None] | None] = set()
        # A publisher waits for the interpreter after every word with the broker, and a busy loop lets go of it only
        # when asked for this long. At the default of 5 ms a herd keeps its own winners waiting.
        sys.setswitchinterval(SWITCH_S)

    async def send(self, claim: Claim) -> None:
        """See `Dispatch.send`. An order waits for its turn however long that takes: its claim would stand meanwhile anyway."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(Waiting(claim, done))
        if len(self._working) < self._most:
            self._working.add(asyncio.get_running_loop().create_task(self._work()))
        await done

    async def close(self) -> None:
        """See `Dispatch.close`."""
        self._threads.close()

    async def _work(self) -> None:
        """Has one thread send, until nothing waits. It counts as working no moment longer: an order that came then would wait for ever."""
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
        """Send them together, in one exchange with the broker; what happens to it has happened to each of them."""
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
        # What `send_task` would say of the arguments in the headers is slow to make, and nobody reads it.
        arguments = (claim.number, claim.buyer, claim.nth)
        self._celery.send_task(PLACE_ORDER, arguments, producer=producer, argsrepr=claim.number, kwargsrepr="{}")

    def _producer(self) -> Producer:
        if getattr(self._held, "producer", None) is None:
            self._held.producer = open_producer(self._celery, self._timeout_s)
        return self._held.producer

    def _drop(self) -> None:
        producer, self._held.producer = getattr(self._held, "producer", None), None
        if producer is not None:
            with suppress(Exception):  # it is broken; whatever it says of that is no news
                producer.connection.collect(socket_timeout=0.1)


def open_producer(celery: Celery, timeout_s: float) -> Producer:
    """A producer on a connection of its own that has been seen to work. One attempt."""
    connection: Connection = celery.connection_for_write()
    try:
        connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0, timeout=timeout_s)
        return celery.amqp.Producer(connection.default_channel)
    except BaseException:
        connection.collect(socket_timeout=0.1)
        raise


def refused(error: BaseException) -> bool:
    """Whether `error` proves that nothing was sent: a connection refused, and no other failure of the system before it.

    A command that was sent and then reset is followed by no second attempt (retries are off), so that a refusal in the
    chain means that the one attempt never had a connection.
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
