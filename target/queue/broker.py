"""kombu's Redis transport, with less work for each message. Set through ``broker_transport``."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from kombu.transport import redis

FULL_S = 0.005  # the longest wait, in seconds, for a message while the worker may take no more


class Channel(redis.Channel):  # type: ignore[misc]
    """A channel that keeps its Redis client.

    kombu makes a new client object for each message sent, received or acknowledged: 0.1 ms each, a quarter of the cost of a publish.
    """

    @contextmanager
    def conn_or_acquire(self, client: Any = None) -> Iterator[Any]:
        """The kept client. Each of its commands borrows a connection from the channel's pool."""
        yield client or self._kept

    @cached_property
    def _kept(self) -> Any:
        return self._create_client()


class Transport(redis.Transport):  # type: ignore[misc]
    """kombu's Redis transport on that channel."""

    Channel = Channel

    def drain_events(self, connection: Any, timeout: float | None = None) -> None:
        """Wait for a message, for at most FULL_S while the worker holds as many as its prefetch allows.

        With greenlets, an acknowledgement by another greenlet does not wake this poll: the next order would be fetched up to a second
        late. (The prefork, thread and solo pools use Celery's event loop, which does not call this.)
        """
        full = any(channel.active_queues and not channel.qos.can_consume() for channel in self.channels)
        super().drain_events(connection, timeout=FULL_S if full else timeout)
