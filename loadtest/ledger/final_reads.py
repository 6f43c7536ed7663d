"""The final reads: every set of the ledger, from Redis, the queue and Postgres, once the sale has drained."""

import logging
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from loadtest.errors import UsageError
from loadtest.ledger.database_clock import DatabaseClock, Fineness
from loadtest.ledger.databases import said
from loadtest.ledger.queue import QueueReader
from loadtest.ledger.sources import Reader
from loadtest.ledger.sql_sources import NotThere
from loadtest.manifest.final import Final, Source
from loadtest.record.run_dir import RunDir, write_parquet
from loadtest.record.whole import write_text

log = logging.getLogger(__name__)

SETTLES_S = 5.0

NUMBER = {"number": "VARCHAR"}
PAIR = {"number": "VARCHAR", "buyer": "VARCHAR"}
ROW = PAIR | {"created_ns": "BIGINT", "quantity": "BIGINT", "item": "VARCHAR"}
ENTRY = {"number": "VARCHAR", "state": "VARCHAR"}

PASSWORD = re.compile(r"(?<=://)[^/@\s]*(?=@)")


@dataclass(frozen=True)
class RowsRead:
    """When the rows had been read (ns since the epoch; None: they could not be), and the clock that their times were by (None: they have none).

    `columns`: what the rows tell, of `loadtest.ledger.rows.COLUMNS`; None where they could not be read, or there is none that would say.
    """

    at_ns: int | None
    clock: DatabaseClock | None
    columns: frozenset[str] | None = None


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
        """Look at every source once, while the shop runs and nobody buys. What is not there yet has `SETTLES_S` seconds to come.

        Raises:
            UsageError: the manifest has one that cannot be read.
        """
        last_moment = time.monotonic() + SETTLES_S
        for name in type(self.final).model_fields:
            while (problem := self._problem(name)) and time.monotonic() < last_moment:
                time.sleep(0.1)
            if problem:
                raise UsageError(problem)

    def _problem(self, name: str) -> str:
        """What keeps the set `name` from being read, and may pass; nothing where it can be read. Raises UsageError for what will not pass."""
        source: Source | None = getattr(self.final, name)
        try:
            self.reader.check(name, source)
        except NotThere as error:
            return str(error)
        except UsageError:
            raise
        except Exception as error:
            if source and source.kind == "sql" and not self.reader.database.answers():
                return f"[truth] url: {self.reader.database.dialect.name} does not answer ({_reason(error)}); start it, or mend the url"
            # Redis was there a moment ago: the final read will say so, if it is away for longer.
            log.warning("[final] %s could not be looked at", name, exc_info=True)
        return ""

    def read_seeded(self) -> None:
        """Read the seeded numbers. Call it before the first buyer asks."""
        self._write("seeded", NUMBER, lambda: ([n] for n in self.reader.numbers(self.final.seeded)))

    def read_final(self) -> RowsRead:
        """Read every other set, after the drain. The order is that of an order's way, so that one that still moves is seen at least once."""
        final, reader = self.final, self.reader
        self._write("tokens", NUMBER, lambda: ([n] for n in reader.numbers(final.tokens)))
        self._write("claims", PAIR, lambda: reader.pairs(final.claims))
        self._write("queue", ENTRY, lambda: self.queue.entries() if self.queue else ())
        clock, fineness = self._clock(), Fineness()
        written = self._write("orders", ROW, lambda: self._rows(clock, fineness))
        read = RowsRead(time.time_ns() if written else None, fineness.widened(clock), self._columns())
        self._write("rejected", PAIR, lambda: reader.pairs(final.rejected))
        return read

    def near_misses(self) -> int | None:
        """How many duplicate rows the database refused; None where it cannot be read, which is logged."""
        return self._number("near_misses", lambda: self.reader.count(self.final.near_misses))

    def left(self) -> int | None:
        """How many units the shop says are left; None where it does not say, or cannot be asked, which is logged."""
        left = self.final.left
        return self._number("left", lambda: self.reader.left(left)) if left else None

    def _number(self, name: str, read: Callable[[], int]) -> int | None:
        try:
            return read()
        except Exception as error:
            log.exception("%s could not be read", name)
            write_text(self.run_dir.final / f"{name}.failed", f"{_reason(error)}\n")
            return None

    def _rows(self, clock: DatabaseClock | None, fineness: Fineness) -> Iterator[Sequence[Any]]:
        """The rows, with their times by our clock."""
        for row in self.reader.rows(self.final.rows):
            fineness.note(row.created_ns)
            created_ns = clock.ours(row.created_ns) if clock else row.created_ns
            yield row.number, row.buyer, created_ns, row.quantity, row.item

    def _columns(self) -> frozenset[str] | None:
        try:
            return self.reader.columns(self.final.rows)
        except Exception:
            log.exception("the columns of the rows could not be read")
            return None

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
    return PASSWORD.sub("…", said(error))
