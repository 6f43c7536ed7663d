"""The backlog."""

from loadtest.ledger.queue import open_queue
from loadtest.probes import Reading, Subject


class BrokerProbe:
    """Messages in the order queue. A shop without a queue has an empty reading."""

    def __init__(self, subject: Subject) -> None:
        self._queue = open_queue(subject.services, subject.queue) if subject.queue else None

    def read(self) -> Reading:
        """ready; unacked where the broker tells. RabbitMQ tells it seconds late, and would show a backlog that is gone."""
        if self._queue is None:
            return {}
        depth = self._queue.depth()
        return {"ready": depth.ready} | ({} if depth.unacked is None else {"unacked": depth.unacked})

    def close(self) -> None:
        """Give the connection back."""
        if self._queue:
            self._queue.close()
