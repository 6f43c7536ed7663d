"""What the final reads show, held against what the buyers were told. Each function tells its lines; none raises for what it finds."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from loadtest.errors import HarnessError
from loadtest.ledger.database_clock import DatabaseClock
from loadtest.ledger.databases import said
from loadtest.ledger.rows import Row
from loadtest.ledger.sources import Reader
from loadtest.manifest.final import Final, Source
from loadtest.rehearsal.telling import Telling
from loadtest.rehearsal.visitor import Visitor

T = TypeVar("T")

SHOWN = 3
# Rows of a second before the purchase may be of a clock that tells whole seconds.
COARSE_S = 1.5
QUARTER_S = 900

EMPTY_FIRST = (
    "let [prepare] of the manifest take away the rows of earlier sales, or let [final] rows select those of this one"
)
WRONG_TABLE = "see whether [final] rows of the manifest reads the right table, and the rows of this sale"
OTHER_BUYERS = "select what the manifest's {buyer} is AS buyer in [final] rows, of this sale alone"
OTHER_NUMBERS = "let number in [http.buy] (or [http.status]) of the manifest name the id that [final] rows selects AS number, or select the one that answers tell"
NOT_SEEDED = 'where the shop makes its own ids, say [units] kind = "counted" and take out [final] seeded; else let both select the same id'
OTHER_TOKENS = "let [final] tokens and seeded of the manifest read the same numbers"
ZONE = "select it with its time zone in [final] rows of the manifest, such as created_at AT TIME ZONE 'UTC'"
CLOCK = "set the clock of the database's machine, and see what [final] rows of the manifest selects as created_at"


@dataclass
class Finals:
    """The final reads of a rehearsal of `stock` units."""

    final: Final
    reader: Reader
    stock: int
    telling: Telling

    def before(self, told_stock: bool) -> None:
        """What is there before anybody buys: no rows, and the whole stock. `told_stock`: the manifest tells the shop how much that is."""
        rows = self._read("rows", self.final.rows, self.reader.units)
        if rows:
            self.telling.wrong(
                "[final] rows, before anybody buys", f"{rows:,} are there already",
                EMPTY_FIRST,
            )  # fmt: skip
        self._whole_stock("left", self._read("left", self.final.left, self.reader.left), told_stock)
        for name in ("seeded", "tokens"):
            source: Source | None = getattr(self.final, name)
            self._whole_stock(name, self._read(name, source, self.reader.count), told_stock)

    def _whole_stock(self, name: str, found: int | None, told_stock: bool) -> None:
        if found is None or found == self.stock or not told_stock:
            return
        self.telling.wrong(
            f"[final] {name}, before anybody buys", f"{found:,}, though {self.stock:,} are for sale",
            f"let [prepare] put {{stock}} units up for sale, which is {self.stock} here, and [final] {name} read those of this sale",
        )  # fmt: skip

    def after(self, winners: Sequence[Visitor], everybody: Sequence[Visitor], begun_ns: int) -> list[Row]:
        """The rows of this sale, against those who won it."""
        rows = self._rows()
        if rows is None:
            return []
        columns = self.reader.columns(self.final.rows) or frozenset()
        told = ", ".join(name for name in ("number", "buyer", "created_at", "quantity", "item") if name in columns)
        self.telling.good("[final] rows", f"{len(rows):,} with {told}" if rows else "none")
        for row in rows[:SHOWN]:
            self.telling.detail("  ".join(_cells(row)))
        if not rows and winners:
            kinds = (
                "were told that their orders are confirmed"
                if all(each.state == "confirmed" for each in winners)
                else "bought"
            )
            self.telling.wrong(
                "those who bought have rows", f"{len(winners)} {kinds}, and there is no row at all",
                f"{WRONG_TABLE}; and that whatever writes them, such as a worker, is started by [[process]]",
            )  # fmt: skip
        elif rows:
            self._buyers(rows, winners, everybody, columns)
            self._numbers(rows, winners, columns)
            self._times(rows, begun_ns)
        return rows

    def _buyers(
        self, rows: Sequence[Row], winners: Sequence[Visitor], everybody: Sequence[Visitor], columns: frozenset[str]
    ) -> None:
        if "buyer" not in columns:
            return
        there, asked = {row.buyer for row in rows}, {each.id for each in everybody}
        if not there & asked:
            self.telling.wrong(
                "the buyers in rows are those who asked",
                f"none of the buyers in {len(rows)} rows is one who asked: rows have such as {rows[0].buyer}, and those who asked are such as {everybody[0].id}",
                OTHER_BUYERS,
            )  # fmt: skip
            return
        missing = [each.id for each in winners if each.id not in there]
        if missing:
            self.telling.odd(
                "those who bought have rows", f"{len(missing)} of {len(winners)} have none, such as {missing[0]}",
                "it may be the shop's own mistake, which a sale would call lost; or these orders take longer than this rehearsal waits",
            )  # fmt: skip
        else:
            self.telling.good("those who bought have rows", f"each of {len(winners)}")

    def _numbers(self, rows: Sequence[Row], winners: Sequence[Visitor], columns: frozenset[str]) -> None:
        told = [each.number for each in winners if each.number is not None]
        there = {row.number for row in rows}
        if "number" not in columns:
            return
        if told and not there & set(told):
            self.telling.wrong(
                "the numbers told are in rows",
                f"answers told {len(told)} numbers, such as {told[0]}, of which none is a row, though there are rows, such as {rows[0].number}",
                OTHER_NUMBERS,
            )  # fmt: skip
        elif told:
            self.telling.good("the numbers told are in rows", f"{len(there & set(told))} of {len(told)}")
        seeded = self._numbers_of("seeded", self.final.seeded)
        if seeded and not there & seeded:
            self.telling.wrong(
                "the numbers of rows were for sale",
                f"none of {len(rows)} rows has a number that was for sale: rows have such as {rows[0].number}, and seeded are such as {min(seeded)}",
                NOT_SEEDED,
            )  # fmt: skip
        tokens = self._numbers_of("tokens", self.final.tokens)
        if seeded and tokens and not tokens & seeded:
            self.telling.wrong(
                "the tokens were for sale",
                f"none of {len(tokens)} tokens is a number that was seeded: tokens are such as {min(tokens)}, and seeded such as {min(seeded)}",
                OTHER_TOKENS,
            )  # fmt: skip

    def _times(self, rows: Sequence[Row], begun_ns: int) -> None:
        """Whether rows were created between the first request and now, by our clock."""
        clock = self._clock()
        times = [clock.ours(row.created_ns) if clock else row.created_ns for row in rows if row.created_ns is not None]
        if not times:
            return
        first, last, now = min(times), max(times), time.time_ns()  # type: ignore[type-var]
        early_s, late_s = (begun_ns - (first or 0)) / 1e9, ((last or 0) - now) / 1e9
        ahead = (
            f"; the database's clock is {_ms(abs(clock.offset_ns))} {'ahead of' if clock.offset_ns >= 0 else 'behind'} ours, ± {_ms(clock.uncertainty_ns)}"
            if clock
            else ""
        )
        if early_s <= COARSE_S and late_s <= COARSE_S:
            self.telling.good("created_at is the time of this sale", f"within {(now - begun_ns) / 1e9:.1f} s{ahead}")
            return
        off_s = -early_s if early_s > COARSE_S else late_s
        hours = round(off_s / QUARTER_S) / 4
        zone = f", about {hours:+g} h, as where a time is stored without its time zone" if hours else ""
        self.telling.wrong(
            "created_at is the time of this sale",
            f"rows are created {'before anybody bought' if off_s < 0 else 'after they were read'}: {abs(off_s):,.1f} s off{zone}{ahead}",
            ZONE if hours else CLOCK,
        )  # fmt: skip

    def rest(self, rows: Sequence[Row], told_stock: bool) -> None:
        """The other sets: what they hold, and whether what is left and what is sold make the stock."""
        for name in ("tokens", "claims", "rejected", "near_misses"):
            source: Source | None = getattr(self.final, name)
            count = self._read(name, source, self.reader.count)
            if count is not None:
                self.telling.good(f"[final] {name}", f"{count:,}", self._first(name, source))
        left = self._read("left", self.final.left, self.reader.left)
        if left is None:
            return
        units = sum(row.units for row in rows)
        if not told_stock or left + units == self.stock:
            self.telling.good(
                "[final] left", f"{left:,}" + (f" and {units:,} sold are the stock" if told_stock else "")
            )
            return
        self.telling.odd(
            "[final] left", f"{left:,} left and {units:,} sold are not the {self.stock:,} that were for sale",
            "let [final] left select how many units of this sale are not sold; if it does, the shop itself has lost count",
        )  # fmt: skip

    def units(self) -> int:
        """How many units rows have now; 0 where they cannot be read, which `after` tells."""
        try:
            return self.reader.units(self.final.rows)
        except Exception:
            return 0

    def _rows(self) -> list[Row] | None:
        return self._read("rows", self.final.rows, lambda source: list(self.reader.rows(source)))

    def _numbers_of(self, name: str, source: Source | None) -> set[str]:
        return self._read(name, source, lambda source: set(self.reader.numbers(source))) or set()

    def _first(self, name: str, source: Source | None) -> str:
        if source is None or name == "near_misses":
            return ""
        pairs: Iterator[tuple[str, str | None]] = islice(self.reader.pairs(source), SHOWN)
        return ", ".join(f"{number} → {buyer}" if buyer else number for number, buyer in pairs)

    def _clock(self) -> DatabaseClock | None:
        try:
            return self.reader.clock(self.final.rows)
        except Exception:
            return None

    def _read(self, name: str, source: Source | None, read: Callable[[Source], T]) -> T | None:
        """What `read` gives of the source; None where there is none, or where it fails, which is told."""
        if source is None:
            return None
        try:
            return read(source)
        except HarnessError as error:
            self.telling.wrong(f"[final] {name}", str(error), f"mend [final] {name} of the manifest")
        except Exception as error:
            self.telling.wrong(
                f"[final] {name}",
                said(error),
                f"mend [final] {name} of the manifest, or see why the database refuses it",
            )
        return None


def _cells(row: Row) -> Iterator[str]:
    if row.number is not None:
        yield row.number
    if row.buyer is not None:
        yield row.buyer
    if row.created_ns is not None:
        seconds, rest = divmod(row.created_ns, 10**9)
        yield f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(seconds))}.{rest // 10**6:03d} UTC"
    if row.quantity is not None:
        yield f"quantity {row.quantity}"
    if row.item is not None:
        yield f"item {row.item}"


def _ms(nanoseconds: int) -> str:
    return f"{nanoseconds / 1e6:,.1f} ms"
