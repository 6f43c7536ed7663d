"""The drain: waits until the queue is empty, the number of rows no longer changes, and every promise has its row, or the deadline has come."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from loadtest.ledger.queue import QueueReader
from loadtest.ledger.sources import Reader
from loadtest.manifest.final import Final
from loadtest.record.promises import Promises

Stored = tuple[str | None, str | None]
Pair = tuple[str, str | None]


@dataclass(frozen=True)
class Drained:
    """How the drain ended. `at_ns` is when the standstill began, in ns since the epoch; None: the deadline came first."""

    at_ns: int | None


@dataclass
class Drain:
    """Watches the queue and the rows of one sale of `stock` units, once every `settle_s` seconds.

    `told` reads what buyers were promised; it is called at most once, and of numbered units only where not every one is a row or still for sale.
    """

    reader: Reader
    queue: QueueReader | None
    final: Final
    settle_s: float
    stock: int
    told: Callable[[], Promises] = Promises
    _looked_at: tuple[int, ...] | None = field(default=None, init=False)
    _owing: bool = field(default=False, init=False)

    def wait(self, deadline_ns: int, tick: Callable[[], None]) -> Drained:
        """Wait until two looks in a row see an empty queue and as many rows as the look before, and no buyer is owed a row.

        An order that was acknowledged before it was placed is in no queue, and a claim that nobody works on may still be given back: so
        while a promise has no row and no rejection, or a claim neither, a standstill is not believed before `deadline_ns`.

        A broker that tells with a delay what its workers hold (`QueueReader.late_s`) must look idle for as long as that delay,
        unless every unit is a row or still for sale.

        Past `deadline_ns` (ns since the epoch) the wait ends at the first look that sees work going on, not at once: a wait
        that begins after the deadline, because buyers polled until then for orders that never came, can still see a standstill.
        `tick` runs after each look; what it raises ends the wait. The look that decides is the last: nothing is slept after it.
        """
        still, since_ns = 0, 0
        rows: int | None = None
        while True:
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
            if still >= 2 and time.time_ns() >= since_ns + self._late_ns(rows) and not self._owes(rows, deadline_ns):
                return Drained(since_ns)
            time.sleep(self.settle_s)

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

    def _owes(self, rows: int | None, deadline_ns: int) -> bool:
        """Whether somebody may still get a row, or a unit be given back, before the deadline; False where nobody can tell."""
        if time.time_ns() > deadline_ns or (self.final.seeded and self._accounted(rows)):
            return False
        return bool(_try(lambda: self._outstanding(rows or 0)))

    def _outstanding(self, rows: int) -> bool:
        """Whether a promise or a claim has neither row nor rejection. The sets are read anew where their sizes have changed."""
        sizes = rows, *self.reader.counts(self.final.rejected, self.final.claims)
        if sizes != self._looked_at:
            stored = [(row.number, row.buyer) for row in self.reader.rows(self.final.rows)]
            rejected = list(self.reader.pairs(self.final.rejected))
            self._owing = not self._promises.kept(stored, rejected) or self._held(stored, rejected)
            self._looked_at = sizes
        return self._owing

    @cached_property
    def _promises(self) -> Promises:
        return self.told()

    def _held(self, stored: list[Stored], rejected: list[Pair]) -> bool:
        numbers, given_up = {number for number, _ in stored}, set(rejected)
        return any(
            number not in numbers and (number, buyer) not in given_up
            for number, buyer in self.reader.pairs(self.final.claims)
        )

    def _accounted(self, rows: int | None) -> bool:
        """Whether every unit is a row, or still for sale: no worker can then hold an order that matters.

        Of counted units some may be both: a shop that takes a unit from its stock and writes the row in one transaction always adds up, whatever
        its queue holds. So only a count in Redis, which shops take from when they claim, is believed.
        """
        if rows is None:
            return False
        if self.final.seeded is None:
            return bool(_try(lambda: int(self.reader.units(self.final.rows) + self._left_in_redis() >= self.stock)))
        left = _try(lambda: self.reader.count(self.final.tokens))
        return left is not None and rows + left >= self.stock

    def _left_in_redis(self) -> int:
        left = self.final.left
        return self.reader.left(left) if left and left.kind.startswith("redis_") else 0


def _try(read: Callable[[], int | None]) -> int | None:
    try:
        return read()
    except Exception:
        return None
