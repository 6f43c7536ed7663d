"""The drain: waiting until the queue is empty and the rows stand still."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from loadtest.queue import QueueReader
from loadtest.shop import Final
from loadtest.sources import Reader


@dataclass(frozen=True)
class Drained:
    """How the drain ended. `at_ns` is the first moment of the standstill; None when the deadline came first."""

    at_ns: int | None


@dataclass(frozen=True)
class Drain:
    """Watches the queue and the rows of one sale."""

    reader: Reader
    queue: QueueReader | None
    final: Final
    settle_s: float

    def wait(self, deadline_ns: int, tick: Callable[[], None]) -> Drained:
        """Look each `settle_s` until two looks in a row saw an empty queue and as many rows as the look before.

        The deadline ends it at the first look that sees work going on. A wait that begins late, because buyers asked for orders
        that never came until then, still takes the looks that show that nothing goes on any more.
        `tick` runs between looks; what it raises ends the wait.
        """
        still, since_ns = 0, 0
        rows: int | None = None
        while still < 2:
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
        """Rows and waiting messages; None for one that cannot be read now."""
        return _try(lambda: self.reader.count(self.final.rows)), _try(
            lambda: self.queue.depth().total if self.queue else 0
        )


def _try(read: Callable[[], int]) -> int | None:
    try:
        return read()
    except Exception:
        return None
