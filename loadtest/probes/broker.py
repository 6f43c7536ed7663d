"""The probe of the broker: the backlog in the order queue."""

from loadtest.ledger.queue import open_queue
from loadtest.probes import Reading, Subject


class BrokerProbe:
    """Messages in the order queue: ready, and held by workers. A shop without a queue gives no reading."""

    def __init__(self, subject: Subject) -> None:
        self._queue = open_queue(subject.services, subject.queue) if subject.queue else None

    def read(self) -> Reading:
        """ready; on Redis also unacked. RabbitMQ tells it seconds late, which would show a backlog that is gone, so it is left out."""
        if self._queue is None:
            return {}
        depth = self._queue.depth()
        return {"ready": depth.ready} | ({} if depth.unacked is None else {"unacked": depth.unacked})

    def close(self) -> None:
        """Close its connection."""
        if self._queue:
            self._queue.close()
