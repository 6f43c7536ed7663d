"""Shards: files of JSON lines, each streamed by one writer during a run, and what a killed writer leaves at their end.

A writer may map its shard into memory ahead of what it has written. If it is killed, trailing NUL bytes and perhaps an
unfinished last line remain. These two are left out, and counted; any other line that does not parse is an error.
"""

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from loadtest.errors import HarnessError
from loadtest.record.database import from_lines, quoted
from loadtest.record.whole import replacing

BLOCK = 1 << 20

READ = "INSERT INTO lines SELECT parse_filename(filename, true), * EXCLUDE (filename) FROM {lines}"


class ShardError(HarnessError):
    """A shard is missing, or holds a line that no writer can have written. The message names the shard and the line."""


@dataclass(frozen=True)
class Form:
    """What the lines of one kind of shard hold.

    Args:
        what: the kind, for messages.
        columns: the DuckDB type of each key.
        good: an SQL condition that every well-formed line meets.
        fault_of: gives what is wrong with a parsed line, in words; None when nothing is.
    """

    what: str
    columns: dict[str, str]
    good: str
    fault_of: Callable[[dict[str, Any]], str | None]


@dataclass(frozen=True)
class Shard:
    """One shard as it was found. Its complete lines end at byte `length`."""

    path: Path
    length: int
    nul_bytes: int
    torn_line: bool

    @property
    def killed(self) -> bool:
        """Whether its writer died before it had closed the shard."""
        return self.torn_line or self.nul_bytes > 0


def find_shards(directory: Path) -> list[Shard]:
    """The shards of a directory, sorted by name; an empty list when there is no such directory."""
    return [measure(path) for path in sorted(directory.glob("*.jsonl"))]


def measure(path: Path) -> Shard:
    """Find where the complete lines of one shard end. Reads only its tail."""
    size = path.stat().st_size
    with path.open("rb") as file:
        end = _last_byte(file, size)
        line = _last_line(file, end)
    whole = not line or (b"\0" not in line and (line.endswith(b"\n") or _parses(line)))
    return Shard(path, end if whole else end - len(line), size - end, not whole)


def read_lines(db: Any, shards: list[Shard], form: Form) -> None:
    """Read the complete lines of `shards` into the temporary table ``lines``: a column ``writer`` (the shard's name), and those of `form`.

    Raises:
        ShardError: a line is not of that form; names the shard and the line.
    """
    import duckdb

    db.execute(f"CREATE TEMP TABLE lines (writer VARCHAR, {', '.join(f'{k} {v}' for k, v in form.columns.items())})")
    try:
        with _whole_files(shards) as files:
            if files:
                db.execute(READ.format(lines=from_lines(files, form.columns, named=True)))
        bad = db.execute(f"SELECT count(*) FROM lines WHERE NOT coalesce({form.good}, false)").fetchone()[0]
        reason = f"{bad} lines are not of the form"
    except duckdb.Error as error:
        bad, reason = 1, str(error)
    if bad:
        raise ShardError(f"{form.what} does not parse: {_first_bad_line(shards, form.fault_of) or reason}")


def replace_parquet(db: Any, query: str, target: Path) -> None:
    """Write the rows of `query` to the Parquet file `target`, which appears whole or not at all."""
    with replacing(target) as part:
        db.execute(f"COPY ({query}) TO {quoted(part)} (FORMAT parquet, COMPRESSION zstd)")


def _first_bad_line(shards: list[Shard], fault_of: Callable[[dict[str, Any]], str | None]) -> str | None:
    """Describe the first line that is no JSON object or in which `fault_of` finds a fault. Slow: only for error messages."""
    for shard in shards:
        with shard.path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if file.tell() > shard.length:
                    break
                fault = _fault(line, fault_of)
                if fault:
                    return f"{shard.path.name} line {number}: {fault}: {line[:120].decode(errors='replace').rstrip()!r}"
    return None


def _fault(line: bytes, fault_of: Callable[[dict[str, Any]], str | None]) -> str | None:
    if not line.strip():
        return None
    try:
        parsed = json.loads(line)
    except ValueError:
        return "not JSON"
    return fault_of(parsed) if isinstance(parsed, dict) else "not a JSON object"


@contextmanager
def _whole_files(shards: list[Shard]) -> Iterator[list[Path]]:
    """Files that hold the complete lines of `shards` and nothing else. The shards themselves are not changed."""
    with tempfile.TemporaryDirectory(prefix="loadtest-shards-") as scratch:
        yield [_cut(shard, Path(scratch)) if shard.killed else shard.path for shard in shards if shard.length]


def _last_byte(file: BinaryIO, size: int) -> int:
    """The size of a file without its trailing NULs."""
    while size > 0:
        start = max(0, size - BLOCK)
        file.seek(start)
        block = file.read(size - start).rstrip(b"\0")
        if block:
            return start + len(block)
        size = start
    return 0


def _last_line(file: BinaryIO, end: int) -> bytes:
    start = max(0, end - BLOCK)
    file.seek(start)
    block = file.read(end - start)
    return block[block.rfind(b"\n", 0, len(block) - 1) + 1 :]


def _parses(line: bytes) -> bool:
    # A proper prefix of a JSON object is never valid JSON, so a last line that parses was complete.
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _cut(shard: Shard, scratch: Path) -> Path:
    target = scratch / shard.path.name
    with shard.path.open("rb") as source, target.open("wb") as sink:
        left = shard.length
        while left > 0:
            left -= sink.write(source.read(min(BLOCK, left)))
    return target
