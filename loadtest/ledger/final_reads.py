"""The final reads: every set of the ledger, from Redis, the queue and Postgres, once the sale has drained."""

import logging
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from loadtest.errors import UsageError
from loadtest.ledger.database_clock import DatabaseClock
from loadtest.ledger.queue import QueueReader
from loadtest.ledger.sources import Reader
from loadtest.manifest.final import Final
from loadtest.record.run_dir import RunDir, write_parquet
from loadtest.record.whole import write_text

log = logging.getLogger(__name__)

NUMBER = {"number": "VARCHAR"}
PAIR = {"number": "VARCHAR", "buyer": "VARCHAR"}
ROW = PAIR | {"created_ns": "BIGINT"}
ENTRY = {"number": "VARCHAR", "state": "VARCHAR"}

PASSWORD = re.compile(r"(?<=://)[^/@\s]*(?=@)")


@dataclass(frozen=True)
class RowsRead:
    """When the rows had been read (ns since the epoch; None: they could not be), and the clock that their times were by (None: they have none)."""

    at_ns: int | None
    clock: DatabaseClock | None


@dataclass(frozen=True)
class Ledger:
    """Reads each set of one sale into ``final/<set>.parquet``.

    A read that fails leaves ``final/<set>.failed`` with the reason instead, and does not keep the others from being read: the verdict is
    then UNKNOWN, and tells the reason.
    """

    final: Final
    reader: Reader
    queue: QueueReader | None
    run_dir: RunDir

    def check(self) -> None:
        """Look at every source once, while the shop runs and nobody buys.

        Raises:
            UsageError: the manifest has one that cannot be read, whatever the shop does.
        """
        for name in type(self.final).model_fields:
            try:
                self.reader.check(name, getattr(self.final, name))
            except UsageError:
                raise
            except Exception:  # nobody answers: the final read will say so, if it is for longer
                log.warning("[final] %s could not be looked at", name, exc_info=True)

    def read_seeded(self) -> None:
        """Read the seeded numbers. Call it before the first buyer asks."""
        self._write("seeded", NUMBER, lambda: ([n] for n in self.reader.numbers(self.final.seeded)))

    def read_final(self) -> RowsRead:
        """Read every other set, after the drain. The order is that of an order's way, so that one that still moves is seen at least once."""
        final, reader = self.final, self.reader
        self._write("tokens", NUMBER, lambda: ([n] for n in reader.numbers(final.tokens)))
        self._write("claims", PAIR, lambda: reader.pairs(final.claims))
        self._write("queue", ENTRY, lambda: self.queue.entries() if self.queue else ())
        clock = self._clock()
        written = self._write("orders", ROW, lambda: self._rows(clock))
        read = RowsRead(time.time_ns() if written else None, clock)
        self._write("rejected", PAIR, lambda: reader.pairs(final.rejected))
        return read

    def near_misses(self) -> int | None:
        """How many duplicate rows the database refused; None where it cannot be read, which is logged."""
        try:
            return self.reader.count(self.final.near_misses)
        except Exception:
            log.exception("near misses could not be read")
            return None

    def _rows(self, clock: DatabaseClock | None) -> Iterator[tuple[str | None, str | None, int | None]]:
        """The rows, with their times by our clock."""
        for number, buyer, created_ns in self.reader.rows(self.final.rows):
            yield number, buyer, clock.ours(created_ns) if clock else created_ns

    def _clock(self) -> DatabaseClock | None:
        try:
            return self.reader.clock(self.final.rows)
        except Exception:
            log.exception("the database's clock could not be read")
            return None

    def _write(self, name: str, columns: Mapping[str, str], read: Callable[[], Iterable[Sequence[Any]]]) -> bool:
        """Whether it could be read."""
        try:
            write_parquet(self.run_dir.final / f"{name}.parquet", columns, read())
        except Exception as error:
            log.exception("final read of %s failed", name)
            write_text(self.run_dir.final / f"{name}.failed", f"{_reason(error)}\n")
            return False
        return True


def _reason(error: Exception) -> str:
    """What `error` says, in one line and without a password."""
    said = str(error).strip() or type(error).__name__
    return PASSWORD.sub("…", said.splitlines()[0])
