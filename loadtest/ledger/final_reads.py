"""The final reads: every set of the ledger, from Redis, the queue and Postgres, once the sale has drained."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from loadtest.ledger.queue import QueueReader
from loadtest.ledger.sources import Reader
from loadtest.manifest.shop import Final
from loadtest.record.run_dir import RunDir, write_parquet

log = logging.getLogger(__name__)

NUMBER = {"number": "VARCHAR"}
PAIR = {"number": "VARCHAR", "buyer": "VARCHAR"}
ROW = PAIR | {"created_ns": "BIGINT"}
ENTRY = {"number": "VARCHAR", "state": "VARCHAR"}


@dataclass(frozen=True)
class Ledger:
    """Reads each set of one sale into ``final/<set>.parquet``. A read that fails is logged and leaves no file: the verdict is then UNKNOWN."""

    final: Final
    reader: Reader
    queue: QueueReader | None
    run_dir: RunDir

    def read_seeded(self) -> None:
        """Read the seeded numbers. Call it before the first buyer asks."""
        self._write("seeded", NUMBER, lambda: ([n] for n in self.reader.numbers(self.final.seeded)))

    def read_final(self) -> None:
        """Read every other set, after the drain. The order is that of an order's way, so that one that still moves is seen at least once."""
        final, reader = self.final, self.reader
        self._write("tokens", NUMBER, lambda: ([n] for n in reader.numbers(final.tokens)))
        self._write("claims", PAIR, lambda: reader.pairs(final.claims))
        self._write("queue", ENTRY, lambda: self.queue.entries() if self.queue else ())
        self._write("orders", ROW, lambda: reader.rows(final.rows))
        self._write("rejected", PAIR, lambda: reader.pairs(final.rejected))

    def near_misses(self) -> int:
        """How many duplicate rows the database refused; 0 where it cannot be read, which is logged."""
        try:
            return self.reader.count(self.final.near_misses)
        except Exception:
            log.exception("near misses could not be read")
            return 0

    def _write(self, name: str, columns: Mapping[str, str], read: Callable[[], Iterable[Sequence[Any]]]) -> None:
        try:
            write_parquet(self.run_dir.final / f"{name}.parquet", columns, read())
        except Exception:
            log.exception("final read of %s failed", name)
