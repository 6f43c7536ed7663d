"""Reads sets of the ledger from what a command of the manifest prints: CSV with a header, or JSON lines."""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from loadtest.errors import UsageError
from loadtest.ledger.row_times import from_anything
from loadtest.ledger.rows import Row, only, present, quantity, text
from loadtest.manifest.final import Source
from loadtest.stack.whereabouts import Whereabouts

ANSWER_S = 30.0
SEPARATORS = ",;\t"
FORM = "expected CSV with a header, or one JSON object a line"

Record = Mapping[str, Any]


@dataclass(frozen=True)
class CommandStore:
    """Whatever a command tells, which has `ANSWER_S` seconds to. Everything raises UsageError where it fails, or prints something else."""

    whereabouts: Whereabouts

    def count(self, source: Source, where: str) -> int:
        """How many records it prints."""
        return len(self._records(source, where)[1])

    def units(self, source: Source, where: str) -> int:
        """How many units its rows take together."""
        return sum(row.units for row in self.rows(source, where))

    def number(self, source: Source, where: str) -> int:
        """The one number that it prints, by itself or as the only value of a record."""
        printed = self.whereabouts.output(source.command or (), where, ANSWER_S).strip()
        if printed.removeprefix("-").isdecimal():
            return int(printed)
        columns, records = parsed(printed, where)
        # Numbers under each other have no header.
        return only(
            [tuple(record.values()) for record in records] + [("",)] * columns[0].isdecimal() if columns else (), where
        )

    def pairs(self, source: Source, where: str) -> Iterator[tuple[str | None, str | None]]:
        """Number and buyer of each record; where no column is called number, the first two."""
        columns, records = self._records(source, where)
        number = "number" if "number" in columns else columns[0] if columns else "number"
        others = [column for column in columns if column != number]
        buyer = "buyer" if "buyer" in columns else others[0] if others else None
        for record in records:
            yield text(record.get(number)), text(record.get(buyer)) if buyer else None

    def rows(self, source: Source, where: str) -> Iterator[Row]:
        """Every stored order."""
        columns, records = self._records(source, where)
        if columns:
            present(columns)
        for record in records:
            named = {name.lower(): value for name, value in record.items()}
            created = named.get("created_at")
            yield Row(
                text(named.get("number")),
                text(named.get("buyer")),
                None if created is None else from_anything(created),
                quantity(named.get("quantity")),
                text(named.get("item")),
            )

    def columns(self, source: Source, where: str) -> frozenset[str] | None:
        """Which of the known columns it prints; None where it prints nothing, so that nobody can tell."""
        columns, _ = self._records(source, where)
        return present(columns) if columns else None

    def check(self, name: str, source: Source, where: str) -> None:
        """Run it once."""
        if name == "left":
            self.number(source, where)
        elif name == "rows":
            for _ in self.rows(source, where):
                pass
        else:
            self.count(source, where)

    def _records(self, source: Source, where: str) -> tuple[list[str], list[Record]]:
        return parsed(self.whereabouts.output(source.command or (), where, ANSWER_S), where)


def parsed(printed: str, where: str) -> tuple[list[str], list[Record]]:
    """The columns of what a command `printed`, and its records. An array of JSON objects will do, too.

    Raises:
        UsageError: it is neither.
    """
    printed = printed.strip("\r\n")  # a tab at its end is an empty value
    if not printed.strip():
        return [], []
    if printed.lstrip().startswith(("{", "[")):
        records = _objects(printed, where)
        return list(dict.fromkeys(name for record in records for name in record)), records
    return _csv(printed, where)


def _objects(printed: str, where: str) -> list[Record]:
    texts = [printed] if printed.lstrip().startswith("[") else printed.splitlines()
    found: list[Any] = []
    for n, line in enumerate(texts, 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError as error:
            raise UsageError(f"{where}: line {n}: not JSON: {error}, found {line[:60]!r}; {FORM}") from None
        found += value if isinstance(value, list) else [value]
    for record in found:
        if not isinstance(record, dict):
            raise UsageError(f"{where}: {FORM}, found {str(record)[:60]!r}")
    return [{name: _plain(value) for name, value in record.items()} for record in found]


def _plain(value: Any) -> Any:
    """A value without the type that MongoDB's tools write around it: ``{"$oid": "…"}``, ``{"$numberLong": "7"}``."""
    while isinstance(value, dict) and len(value) == 1 and next(iter(value)).startswith("$"):
        (value,) = value.values()
    return value


def _csv(printed: str, where: str) -> tuple[list[str], list[Record]]:
    header = printed.splitlines()[0]
    lines = csv.reader(io.StringIO(printed, newline=""), delimiter=max(SEPARATORS, key=header.count))
    columns = [name.strip() for name in next(lines)]
    records: list[Record] = []
    for line in lines:
        if not line:
            continue
        if len(line) != len(columns):
            raise UsageError(
                f"{where}: line {lines.line_num}: expected {len(columns)} values, one for each of {', '.join(columns)[:80]}, found {len(line)}; {FORM}"
            )
        records.append(dict(zip(columns, (value or None for value in line), strict=True)))
    return columns, records
