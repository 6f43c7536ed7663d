"""Who each buyer is: names by a pattern, or the rows of a file of users, dealt to the buyers of all processes by their ordinals.

Rows go to buyers first, in order, and then to the accounts that scalpers share. A file stays on disk: kept in memory are the places
of its rows, eight bytes each.
"""

import csv
import mmap
from array import array
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from pathlib import Path

from loadtest.errors import UsageError
from loadtest.experiment.schema import Experiment
from loadtest.manifest.accounts import Buyers, columns_of, separator

DEFAULT_ID = "b-{n:06d}"
SCALPER_ID = "s-{n:06d}"


class Rows:
    """The rows of a file of users, or of a part of it that a master handed out. `columns` are named as placeholders are."""

    def __init__(self, data: bytes | mmap.mmap, where: str) -> None:
        self._data = data
        self._where = where
        head = data[: data.find(b"\n") + 1 or len(data)]
        self.header = bytes(head)
        text = head.decode("utf-8-sig")
        self._separator = separator(text)
        self.columns = columns_of(text, where)
        self._starts = array("Q", [len(head)])  # of each row, and where the last one ends

    @classmethod
    def read(cls, path: Path, most: int, buyers: Buyers) -> "Rows":
        """The first `most` rows of the file, or all where it has fewer, each checked.

        Raises:
            UsageError: it cannot be read or is not UTF-8; a row has other columns than the header, or no whole number in one of
                `buyers.integers`; two rows are the same buyer.
        """
        where = f"buyers.file: {path}"
        try:
            with path.open("rb") as file:
                empty = not file.read(1)
                data = b"" if empty else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError as error:
            raise UsageError(f"{where}: cannot be read: {error.strerror}") from None
        return cls.of(data, where, most, buyers)

    @classmethod
    def of(cls, data: bytes | mmap.mmap, where: str, most: int, buyers: Buyers) -> "Rows":
        """The same of the bytes of a file."""
        try:
            rows = cls(data, where)
            rows._find(most, [rows.columns.index(name) for name in buyers.integers], rows._name_column(buyers.id))
        except UnicodeDecodeError:
            raise UsageError(f"{where}: it is not UTF-8; save it as that") from None
        return rows

    def __len__(self) -> int:
        """How many rows are known."""
        return len(self._starts) - 1

    def raw(self, row: int) -> bytes:
        """Row number `row`, from 0, as it stands in the file."""
        return self._data[self._starts[row] : self._starts[row + 1]]

    def row(self, row: int) -> list[str]:
        """The fields of row number `row`, from 0."""
        text = self.raw(row).strip(b"\r\n").decode()
        if '"' not in text:
            return text.split(self._separator)
        return next(csv.reader(StringIO(text, newline=""), delimiter=self._separator))

    def _name_column(self, pattern: str | None) -> int | None:
        """The column that names a buyer; None where several do, or a number of their own."""
        if pattern is None:
            return 0
        return next((at for at, name in enumerate(self.columns) if pattern == f"{{{name}}}"), None)

    def _find(self, most: int, integers: Sequence[int], named_by: int | None) -> None:
        """Finds where rows begin: a row with line breaks in quotes is several lines, as csv reads them."""
        starts, columns, at = self._starts, len(self.columns), self._starts[0]
        names: set[str] = set()

        def lines() -> Iterator[str]:
            nonlocal at
            data, size, find = self._data, len(self._data), self._data.find
            while at < size:
                begin, at = at, find(b"\n", at) + 1 or size
                yield data[begin:at].decode()

        for fields in self._parsed(lines()):
            if fields in ([], [""]) and columns > len(fields):  # an empty line goes with the row before it
                starts[-1] = at
                continue
            if reason := self._fault(fields, integers, named_by, names):
                raise self._wrong(reason)
            starts.append(at)
            if len(starts) > most:
                return

    def _fault(self, fields: list[str], integers: Sequence[int], named_by: int | None, names: set[str]) -> str | None:
        """What is wrong with a row, in words. Its name is added to `names`."""
        if len(fields) != len(self.columns):
            return f"expected {len(self.columns)} columns, as in the header, found {len(fields)}"
        for at in integers:
            if not _is_integer(fields[at]):
                return f"{self.columns[at]}: expected a whole number, as buyers.integers says, found {fields[at]!r}"
        if named_by is not None:
            name = fields[named_by]
            if name in names or not name.strip():
                return _of_a_name(name, self.columns[named_by])
            names.add(name)
        return None

    def _parsed(self, lines: Iterator[str]) -> Iterator[list[str]]:
        try:
            yield from csv.reader(lines, delimiter=self._separator, strict=True)
        except csv.Error as error:
            raise self._wrong(f"not CSV: {error}") from None

    def _wrong(self, what: str) -> UsageError:
        return UsageError(f"{self._where}: row {len(self) + 1}: {what}")


def _of_a_name(name: str, column: str) -> str:
    return (
        f"{column}: {name!r} is there twice; give each buyer one row"
        if name.strip()
        else f"{column}: expected a name, found none"
    )


def _is_integer(field: str) -> bool:
    return field.isascii() and (field.isdigit() or (field[:1] == "-" and field[1:].isdigit()))


class Roster:
    """Who the buyers and the shared accounts of a sale are.

    `rooms` are the ordinals that buyers of the sale's processes can have; accounts come after them. `of_own`: `rows` are only those of one
    process, whose buyers have every `processes`-th ordinal.
    """

    def __init__(
        self,
        buyers: Buyers,
        rooms: int,
        rows: Rows | None = None,
        process: int = 0,
        processes: int = 1,
        dealt: bool = False,
    ) -> None:
        self.rows = rows
        self._id = buyers.id or (f"{{{rows.columns[0]}}}" if rows else DEFAULT_ID)
        self._account_id = SCALPER_ID if not rows and buyers.id in (None, DEFAULT_ID) else None
        self._integers = frozenset(buyers.integers)
        self._rooms = rooms
        self._own = range(process, rooms, processes)
        self._dealt = dealt

    def buyer(self, ordinal: int) -> Mapping[str, object] | None:
        """The placeholders of buyer number `ordinal`, from 0 over all processes: ``buyer``, ``buyer.n`` and a ``buyer.COLUMN`` for each.
        None where the file has no row for them."""
        return self._who(ordinal, self._id) if ordinal < self._rooms or self.rows is None else None

    def account(self, account: int) -> Mapping[str, object] | None:
        """The same of shared account number `account`, from 0."""
        if self._account_id:
            return {"buyer": self._account_id.format(n=account + 1), "buyer.n": self._rooms + account + 1}
        return self._who(self._rooms + account, self._id)

    def share(self, process: int, processes: int) -> bytes:
        """The file with only the rows of one process, and those of the accounts."""
        assert self.rows is not None
        known = len(self.rows)
        rows = [*range(process, min(self._rooms, known), processes), *range(self._rooms, known)]
        return b"".join(_ended(each) for each in (self.rows.header, *map(self.rows.raw, rows)))

    def _who(self, at: int, pattern: str) -> Mapping[str, object] | None:
        n = at + 1
        if self.rows is None:
            return {"buyer": pattern.format(n=n), "buyer.n": n}
        row = self._row(at)
        if not 0 <= row < len(self.rows):
            return None
        columns = dict(zip(self.rows.columns, self.rows.row(row), strict=True))
        typed = {f"buyer.{name}": int(text) if name in self._integers else text for name, text in columns.items()}
        return {"buyer": pattern.format(**{"n": n, **columns}), "buyer.n": n, **typed}  # a column n is meant

    def _row(self, at: int) -> int:
        if not self._dealt:
            return at
        return (at - self._own.start) // self._own.step if at < self._rooms else len(self._own) + at - self._rooms


def _ended(line: bytes) -> bytes:
    return line if line.endswith(b"\n") else line + b"\n"


def rooms(experiment: Experiment, processes: int) -> int:
    """The ordinals that buyers may have: processes take turns, and which of them runs one more than another is not known beforehand."""
    if experiment.arrivals.open:
        return experiment.buyers
    return -(-experiment.buyers // processes) * processes


def needed(experiment: Experiment, processes: int) -> int:
    """How many users a sale needs: one for each buyer, and one for each account that scalpers share."""
    return rooms(experiment, processes) + (experiment.traffic.scalper_accounts if experiment.traffic.scalpers else 0)


def read_roster(buyers: Buyers, file: Path | None, experiment: Experiment, processes: int = 1) -> Roster:
    """The roster of a sale with `processes` generators; `file` is the file of users where the manifest names one.

    Raises:
        UsageError: as `Rows.read` does; or it has fewer rows than the sale needs.
    """
    room = rooms(experiment, processes)
    if buyers.file is None:
        return Roster(buyers, room)
    if file is None:
        raise UsageError(
            f"--buyers-file: required, as the manifest has buyers.file = {buyers.file!r}; give the path of it"
        )
    wanted = needed(experiment, processes)
    rows = Rows.read(file, wanted, buyers)
    if len(rows) < wanted:
        raise UsageError(
            f"buyers.file: {file}: expected {wanted:,} users, one for each {_who_needs(experiment, processes)}, found {len(rows):,}; "
            "add rows, or set fewer buyers"
        )
    return Roster(buyers, room, rows)


def _who_needs(experiment: Experiment, processes: int) -> str:
    parts = [f"of {experiment.buyers:,} buyers"]
    if rooms(experiment, processes) > experiment.buyers:
        parts[0] += f" (in {processes} processes alike)"
    if experiment.traffic.scalpers:
        parts.append(f"of {experiment.traffic.scalper_accounts:,} scalpers' accounts")
    return " and ".join(parts)
