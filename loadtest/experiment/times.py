"""Arrival times from a CSV file: a run's own plan, a log, or what another tool has written. Read exactly, or refused with what to change.

A file is read by its shape: ``,``, ``;`` or a tab between columns; one column that names a time in its header, or the first one where there is
no header; seconds after T0, or times of day (ISO 8601, or counted from 1970), which then count from the first of them. What could
mean two things, such as ``0,25``, is refused.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from loadtest.errors import UsageError
from loadtest.experiment.schema import MOST_S

NS = 1_000_000_000
# Column names that tell when, with or without a unit at their end: time_s, timeStamp, ts (ms).
NAMES = {
    "", "t", "ts", "time", "timestamp", "@timestamp", "date", "datetime", "at", "when", "offset", "arrival", "arrival_time", "arrived_at", "start",
    "start_time", "created_at",
}  # fmt: skip
UNITS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), NS),
    **dict.fromkeys(("ms", "millis", "milliseconds"), NS // 1000),
    **dict.fromkeys(("us", "µs", "micros", "microseconds"), 1000),
    **dict.fromkeys(("ns", "nanos", "nanoseconds"), 1),
}
MOST_NS = int(MOST_S) * NS
NAME = re.compile(rf"(.*?)[\s_.]*[(\[]?({'|'.join(UNITS)})[)\]]?")
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
ISO = re.compile(
    r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?)(?:[.,](\d{1,9}))?\s?(Z|UTC|[+-]\d\d:?\d\d)?", re.ASCII | re.IGNORECASE
)
COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+")
WHOLE = re.compile(r"[+-]?[0-9]+")
# What a time since 1970 amounts to in each unit, from 1973 to 2286. Numbers below are seconds after T0.
SINCE_1970 = [(Decimal(10) ** (8 + digits), Decimal(10) ** (10 + digits), NS // 10**digits) for digits in (0, 3, 6, 9)]


@dataclass(frozen=True)
class Column:
    """Where the times are: the place of their column, nanoseconds in their unit (None: not said), and whether a header names it."""

    place: int
    unit_ns: int | None
    named: bool


def read_times(path: Path) -> list[int]:
    """The times in a CSV file, in nanoseconds after T0, ascending.

    Raises:
        UsageError: the file cannot be read, no column names a time, or a time is none, is negative, or comes before the one above it.
    """
    rows = list(_rows(path))
    if not rows:
        return []
    column = _column(rows[0][1], f"{path}, line {rows[0][0]}")
    body = rows[1:] if column.named else rows
    _refuse_decimal_commas(body, len(rows[0][1]) if column.named else None, path)
    return list(_ascending(_moments(body, column, path)))


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Each line that is not empty: its number and its fields."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: cannot be read as CSV: {error}; save it as UTF-8") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read as CSV: {error.strerror}") from None
    first = next((line for line in text.split("\n") if line.strip()), "")
    reader = csv.reader(text.splitlines(keepends=True), delimiter=_delimiter(first), strict=True)
    try:
        for fields in reader:
            stripped = [field.strip() for field in fields]
            if any(stripped):
                yield reader.line_num, stripped
    except csv.Error as error:
        raise UsageError(f"{path}, line {reader.line_num}: cannot be read as CSV: {error}") from None


def _delimiter(line: str) -> str:
    bare = re.sub(r'"[^"]*"', "", line)
    return next((each for each in ";\t" if each in bare), ",")


def _column(first: Sequence[str], where: str) -> Column:
    """The column of the times, found in the first line: a header, or already data."""
    if NUMBER.fullmatch(first[0]) or ISO.fullmatch(first[0]) or COMMA.fullmatch(first[0]):
        return Column(0, NS, named=False)
    named = [(place, unit) for place, name in enumerate(first) for unit in [_unit(name)] if unit is not None]
    if len(named) > 1:
        names = " and ".join(repr(first[place]) for place, _ in named)
        raise UsageError(
            f"{where}: found {names}; expected one column that tells when buyers come: take the others out"
        )
    if not named:
        raise UsageError(
            f"{where}: {first[0]!r} is no time, and no column is named for one; expected seconds after T0, such as 1.25, or a header "
            "that names their column time_s"
        )
    place, unit_ns = named[0]
    return Column(place, unit_ns or None, named=True)


def _unit(name: str) -> int | None:
    """Nanoseconds in the unit of the column `name`; 0 where it names none; None where it does not name a time."""
    name = name.lower()
    if name in NAMES - {""}:
        return 0
    found = NAME.fullmatch(name)
    return UNITS[found[2]] if found and found[1] in NAMES else None


def _refuse_decimal_commas(body: Sequence[tuple[int, list[str]]], columns: int | None, path: Path) -> None:
    """Refuse rows that a decimal comma may have cut in two: read as they stand, 0,25 would be 0."""
    points = any("." in fields[0] for _, fields in body)
    for number, fields in body:
        if columns is None:
            cut = not points and len(fields) > 1 and fields[1][:1].isdigit() and bool(WHOLE.fullmatch(fields[0]))
        else:
            cut = len(fields) > columns and any(fields[columns:])
        if cut:
            raise UsageError(
                f"{path}, line {number}: {','.join(fields)!r} may hold a decimal comma, or a column more than the header names; write decimals "
                "with a point, 0.25, and name every column in the first line: time_s,clicks"
            )


def _moments(body: Iterable[tuple[int, list[str]]], column: Column, path: Path) -> Iterator[tuple[str, str, int]]:
    """Each time: where it stands, as it is written, and in nanoseconds after T0."""
    scale: Scale | None = None
    for number, fields in body:
        where = f"{path}, line {number}"
        text = fields[column.place] if column.place < len(fields) else ""
        if scale is None:
            scale = _scale(text, column, where)
        at_ns = scale.after_t0_ns(text, where)
        if at_ns >= MOST_NS:
            raise UsageError(
                f"{where}: {text} is more than {MOST_S:,.0f} s after T0; expected the arrivals of one sale"
            )
        yield where, text, at_ns


def _ascending(moments: Iterable[tuple[str, str, int]]) -> Iterator[int]:
    before_ns = 0
    for where, text, at_ns in moments:
        if at_ns < before_ns:
            raise UsageError(f"{where}: {text} comes after a later time; expected ascending times: sort the file")
        before_ns = at_ns
        yield at_ns


@dataclass(frozen=True)
class Scale:
    """How the times of a file are written, as its first one tells: the zone of ISO times, or the unit of numbers; and the moment of T0."""

    iso: bool
    zoned: bool
    unit_ns: int
    t0_ns: int

    def after_t0_ns(self, text: str, where: str) -> int:
        """Nanoseconds after T0 of the time `text`."""
        # What a run writes itself, up to a million times: 12.000000345.
        whole, _, part = text.partition(".")
        if (
            self.unit_ns == NS
            and not self.iso
            and text.isascii()
            and whole.isdigit()
            and part.isdigit()
            and len(part) == 9
        ):
            return int(whole + part) - self.t0_ns
        return self.moment_ns(text, where) - self.t0_ns

    def moment_ns(self, text: str, where: str) -> int:
        """`text` on the scale of the file."""
        if self.iso:
            found = ISO.fullmatch(text)
            if found is None or bool(found[3]) != self.zoned:
                raise UsageError(
                    f"{where}: {text!r} is not written like the first time; write all alike, all with a zone or none"
                )
            return _iso_ns(found, where)
        at = _number(text, where)
        if at < 0:
            raise UsageError(
                f"{where}: {text} is before T0; expected seconds from 0 on: take the first time off all of them"
            )
        return round(at * self.unit_ns)


def _scale(text: str, column: Column, where: str) -> Scale:
    """The scale of a file whose first time is `text`."""
    if found := ISO.fullmatch(text):
        return Scale(True, bool(found[3]), NS, _iso_ns(found, where))
    at = _number(text, where)
    if column.unit_ns is None or not column.named:
        for low, high, unit_ns in SINCE_1970:
            if low <= at < high:
                return Scale(False, False, unit_ns, round(at * unit_ns))
    if column.unit_ns is None:
        raise UsageError(
            f"{where}: {text} says no unit; call its column time_s for seconds, or time_ms for milliseconds"
        )
    since_1970 = at * column.unit_ns >= SINCE_1970[0][0] * NS
    return Scale(
        False, False, column.unit_ns, round(at * column.unit_ns) if since_1970 and at < Decimal(10) ** 19 else 0
    )


def _number(text: str, where: str) -> Decimal:
    if COMMA.fullmatch(text):
        raise UsageError(f"{where}: {text!r} has a decimal comma; write it with a point: {text.replace(',', '.')}")
    if not NUMBER.fullmatch(text):
        raise UsageError(f"{where}: {text!r} is no time; expected seconds after T0, such as 1.25")
    at = Decimal(text)
    if abs(at) >= Decimal(10) ** 19:
        raise UsageError(f"{where}: {text} is no time; expected seconds after T0, such as 1.25")
    return at


def _iso_ns(found: re.Match[str], where: str) -> int:
    zone = (found[3] or "").upper().replace("UTC", "Z")
    try:
        moment = datetime.fromisoformat(f"{found[1]}{zone}")
    except ValueError as error:
        raise UsageError(f"{where}: {found[0]!r} is no time: {error}") from None
    since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * NS + int((found[2] or "").ljust(9, "0"))
