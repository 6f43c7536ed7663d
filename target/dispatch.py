"""What becomes of a claim: the row is written in the request (`inline`), or the order is queued for the workers (`queued`).

Both block, so both run in a bounded set of threads; the event loop never waits for them.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

from celery import Celery
from kombu import Connection, Producer

from target.celery import PLACE_ORDER, create_celery
from target.claims import Claim
from target.config import Config
from target.errors import NotSent, Rejected, Unavailable
from target.orders import Orders

T = TypeVar("T")


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

    def __init__(self, config: Config) -> None:
        self._threads = Threads(config.db_pool, "database")
        self._orders = Orders(config, config.db_pool)

    async def send(self, claim: Claim) -> None:
        """See `Dispatch.send`."""
        if await self._threads.run(self._orders.place, claim) == "rejected":
            raise Rejected(f"the database refused {claim.number}")

    async def close(self) -> None:
        """See `Dispatch.close`."""
        self._threads.close()
        self._orders.close()


class Queued:
    """Puts the order on the queue. A thread holds its connection, and drops it after any error."""

    def __init__(self, config: Config) -> None:
        self._celery = create_celery(config)
        self._threads = Threads(config.publishers, "publisher")
        self._held = threading.local()
        self._timeout_s = config.timeout_s

    async def send(self, claim: Claim) -> None:
        """See `Dispatch.send`."""
        await self._threads.run(self._publish, claim)

    async def close(self) -> None:
        """See `Dispatch.close`."""
        self._threads.close()

    def _publish(self, claim: Claim) -> None:
        try:
            producer = self._producer()
        except Exception as error:
            self._drop()
            raise NotSent(f"no connection to the broker: {error}") from error
        try:
            self._celery.send_task(
                PLACE_ORDER,
                (claim.number, claim.buyer, claim.nth),
                producer=producer,
                argsrepr=claim.number,
                kwargsrepr="{}",
            )
        except Exception as error:
            self._drop()
            if refused(error):
                raise NotSent(f"the broker refused the connection: {error}") from error
            raise Unavailable(f"the broker did not confirm {claim.number}: {error}") from error

    def _producer(self) -> Producer:
        if getattr(self._held, "producer", None) is None:
            self._held.producer = open_producer(self._celery, self._timeout_s)
        return self._held.producer

    def _drop(self) -> None:
        producer, self._held.producer = getattr(self._held, "producer", None), None
        if producer is not None:
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
