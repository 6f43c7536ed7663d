"""The run directory: the only thing that one stage hands to the next."""

import contextlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from loadtest.errors import UsageError
from loadtest.record.database import database, from_lines
from loadtest.record.whole import replacing


@dataclass(frozen=True)
class RunDir:
    """The paths within the directory of one run."""

    path: Path

    @property
    def logs(self) -> Path:
        """The folder of logs, one for each process."""
        return self.path / "logs"

    @property
    def final(self) -> Path:
        """The folder of final reads, one Parquet file for each set."""
        return self.path / "final"

    @property
    def processes(self) -> Path:
        """One JSON line for each process started."""
        return self.path / "processes.jsonl"

    @property
    def deaths(self) -> Path:
        """One JSON line for each process that died unasked; absent where none did."""
        return self.path / "deaths.jsonl"

    @property
    def scope(self) -> Path:
        """What the manifest declares, so that it can be judged."""
        return self.path / "scope.json"

    @property
    def verdict(self) -> Path:
        """The verdict. A run without it is incomplete."""
        return self.path / "verdict.json"


def create(out: Path, experiment: str, seed: int) -> RunDir:
    """Create a run directory with its empty folders; see `create_directory`."""
    return make_parts(create_directory(out, experiment, seed))


def create_directory(out: Path, experiment: str, seed: int) -> Path:
    """Create the directory ``<out>/<experiment>/<UTC time>-<seed>``, and point the link ``<out>/latest`` at it.

    Raises:
        UsageError: `out` cannot be written to.
    """
    for attempt in range(100):
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
        name = f"{stamp}-{seed}" + (f"-{attempt}" if attempt else "")
        path = out / experiment / name
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            continue  # another run began in this very second
        except OSError as error:
            raise UsageError(f"--out {out}: cannot write there: {error.strerror}") from None
        _point_latest(out, path)
        return path
    raise UsageError(f"--out {out}: a hundred runs began in this second; wait a moment")


def make_parts(path: Path) -> RunDir:
    """Create the empty folders of a run directory at `path`."""
    for part in ("history", "samples", "final", "locust", "logs", "figures"):
        (path / part).mkdir(parents=True, exist_ok=True)
    return RunDir(path)


def existing(path: Path) -> RunDir:
    """The directory of an earlier run.

    Raises:
        UsageError: it is not one, or it is a matrix of runs.
    """
    if (path / "matrix.json").is_file():
        cell = min((path / "cells").glob("*"), default=path / "cells")
        raise UsageError(f"{path}: is a matrix of runs; give one of them, such as {cell}")
    if not (path / "experiment.toml").is_file():
        raise UsageError(f"{path}: expected a run directory, with an experiment.toml; give one such as runs/latest")
    return RunDir(path.resolve())


def write_parquet(path: Path, columns: Mapping[str, str], rows: Iterable[Sequence[Any]]) -> None:
    """Write `rows` as a Parquet file whose `columns` map names to DuckDB types. The file appears whole or not at all."""
    with NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.stem}-", suffix=".jsonl", encoding="utf-8") as lines:
        names = list(columns)
        for row in rows:
            lines.write(json.dumps(dict(zip(names, row, strict=True))) + "\n")
        lines.flush()
        with replacing(path) as part, database(ordered=True) as connection:
            connection.sql(f"FROM {from_lines([Path(lines.name)], columns)}").write_parquet(str(part))


def _point_latest(out: Path, path: Path) -> None:
    link = out / f".latest-{os.getpid()}"
    with contextlib.suppress(OSError):  # the link is a convenience: a file system without links must not stop a run
        link.unlink(missing_ok=True)
        link.symlink_to(path.relative_to(out))
        link.replace(out / "latest")
