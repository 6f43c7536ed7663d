"""The probe of the broker: the backlog in the order queue."""

from itertools import cycle, repeat

from loadtest.ledger.queue import open_queue
from loadtest.probes import Reading, Subject

# To tell tasks apart takes a look at each message, and what else is in a queue changes slowly.
PATIENCE_S = 0.5
COMMAND_EVERY = 10


class BrokerProbe:
    """Messages in the order queue: ready, and held by workers. A shop without a queue gives no reading."""

    def __init__(self, subject: Subject) -> None:
        self._queue = (
            open_queue(subject.services, subject.queue, subject.whereabouts, PATIENCE_S) if subject.queue else None
        )
        by_command = subject.queue is not None and subject.queue.kind == "command"
        self._due = cycle([True] + [False] * (COMMAND_EVERY - 1)) if by_command else repeat(True)

    def read(self) -> Reading:
        """ready; on Redis also unacked. RabbitMQ tells it seconds late, which would show a backlog that is gone, so it is left out.

        A command is run at one tick in `COMMAND_EVERY`.
        """
        if self._queue is None or not next(self._due):
            return {}
        depth = self._queue.depth()
        return {"ready": depth.ready} | ({} if depth.unacked is None else {"unacked": depth.unacked})

    def close(self) -> None:
        """Close its connection."""
        if self._queue:
            self._queue.close()
