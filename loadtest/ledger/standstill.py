"""The drain: waiting until the queue is empty and the rows stand still."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from loadtest.ledger.queue import QueueReader
from loadtest.ledger.sources import Reader
from loadtest.manifest.shop import Final


@dataclass(frozen=True)
class Drained:
    """How the drain ended. `at_ns` is the first moment of the standstill; None when the deadline came first."""

    at_ns: int | None


@dataclass(frozen=True)
class Drain:
    """Watches the queue and the rows of one sale of `stock` units."""

    reader: Reader
    queue: QueueReader | None
    final: Final
    settle_s: float
    stock: int

    def wait(self, deadline_ns: int, tick: Callable[[], None]) -> Drained:
        """Look each `settle_s` until two looks in a row saw an empty queue and as many rows as the look before.

        Where the broker says only later what its workers hold, and not every unit is accounted for, they must stand still for as long.
        The deadline ends it at the first look that sees work going on. A wait that begins late, because buyers asked for orders
        that never came until then, still takes the looks that show that nothing goes on any more.
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
        """Rows, and messages that wait or are held; None for what cannot be read now."""
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
