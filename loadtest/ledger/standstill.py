"""The drain: waits until the queue is empty and the number of rows no longer changes."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from loadtest.ledger.queue import QueueReader
from loadtest.ledger.sources import Reader
from loadtest.manifest.shop import Final


@dataclass(frozen=True)
class Drained:
    """How the drain ended. `at_ns` is when the standstill began, in ns since the epoch; None: the deadline came first."""

    at_ns: int | None


@dataclass(frozen=True)
class Drain:
    """Watches the queue and the rows of one sale of `stock` units, once every `settle_s` seconds."""

    reader: Reader
    queue: QueueReader | None
    final: Final
    settle_s: float
    stock: int

    def wait(self, deadline_ns: int, tick: Callable[[], None]) -> Drained:
        """Wait until two looks in a row see an empty queue and as many rows as the look before.

        A broker that tells with a delay what its workers hold (`QueueReader.late_s`) must look idle for as long as that delay,
        unless every unit is a row or still for sale.

        Past `deadline_ns` (ns since the epoch) the wait ends at the first look that sees work going on, not at once: a wait
        that begins after the deadline, because buyers polled until then for orders that never came, can still see a standstill.
        `tick` runs between looks; what it raises ends the wait.
        """
        still, since_ns = 0, 0
        rows: int | None = None
        while still < 2 or time.time_ns() < since_ns + self._late_ns(rows):
            seen, waiting = self._look()
            idle = waiting == 0 and seen is not None and rows in (None, seen)
            if not idle and time.time_ns() > deadline_ns:
                return Drained(None)
            if idle and rows is not None:
                still += 1
            else:
                still, since_ns = 0, time.time_ns()
            rows = seen
            tick()
            time.sleep(self.settle_s)
        return Drained(since_ns)

    def _look(self) -> tuple[int | None, int | None]:
        """The numbers of rows, and of messages that wait or are held; None for what cannot be read now."""
        rows = _try(lambda: self.reader.count(self.final.rows))
        return rows, _try(lambda: self._waiting(rows))

    def _waiting(self, rows: int | None) -> int | None:
        if self.queue is None:
            return 0
        depth = self.queue.depth()
        if depth.unacked is not None or depth.ready or self._accounted(rows):
            return depth.total
        return self.queue.held()

    def _late_ns(self, rows: int | None) -> int:
        if self.queue is None or not self.queue.late_s or self._accounted(rows):
            return 0
        return int(self.queue.late_s * 1e9)

    def _accounted(self, rows: int | None) -> bool:
        """Whether every unit is a row, or still for sale: no worker can then hold an order that matters."""
        left = _try(lambda: self.reader.count(self.final.tokens))
        return rows is not None and left is not None and rows + left >= self.stock


def _try(read: Callable[[], int | None]) -> int | None:
    try:
        return read()
    except Exception:
        return None
