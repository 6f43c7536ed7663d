"""Reads a run directory: its tables as DuckDB views, its small files as values.

A missing file is no error here. A table whose file is missing, or cannot be read, is empty, and `RunData.missing` has its
name and the reason.
"""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from reports.verdict import Verdict, number, plain, read_verdict

# Table → file in the run directory, and the columns that every query may rely on.
TABLES: Mapping[str, tuple[str, str]] = {
    "ops": (
        "history.parquet",
        """op_id BIGINT, generator VARCHAR, buyer VARCHAR, kind VARCHAR, scheduled_ns BIGINT, start_ns BIGINT,
        end_ns BIGINT, outcome VARCHAR, number VARCHAR, http_status INTEGER, error VARCHAR""",
    ),
    "samples": ("samples.parquet", "time_ns BIGINT, probe VARCHAR, metric VARCHAR, value DOUBLE"),
    "sale": (
        "sale.parquet",
        """sale VARCHAR, scheme VARCHAR, dispatch VARCHAR, limiter_kind VARCHAR, stock BIGINT, buyers BIGINT,
        per_buyer BIGINT, configured_per_s DOUBLE, workers BIGINT, burst BIGINT, t0_ns BIGINT,
        drained BOOLEAN, drained_ns BIGINT, deadline_s DOUBLE, near_misses BIGINT, planned BIGINT,
        redelivery_s DOUBLE, sampler_hz DOUBLE, read_ns BIGINT, db_offset_ns BIGINT, db_uncertainty_ns BIGINT, left_units BIGINT""",
    ),
    "seeded": ("final/seeded.parquet", "number VARCHAR"),
    "orders": (
        "final/orders.parquet",
        "number VARCHAR, buyer VARCHAR, created_ns BIGINT, quantity BIGINT, item VARCHAR",
    ),
    "tokens": ("final/tokens.parquet", "number VARCHAR"),
    "claims": ("final/claims.parquet", "number VARCHAR, buyer VARCHAR"),
    "rejected": ("final/rejected.parquet", "number VARCHAR, buyer VARCHAR"),
    "queue": ("final/queue.parquet", "number VARCHAR, state VARCHAR"),
}

# Sets that a shop need not have: table → its name in scope.json, which says what the manifest declares.
SETS = {"seeded": "seeded", "tokens": "tokens", "claims": "claims", "rejected": "rejected", "queue": "queue"}

# asks: the orders that buyers sent, but for those that never left. due: when orders were due; with open arrivals by the plan, sent or not, and the retries; else those that were sent.
ASKS = """
CREATE VIEW asks AS FROM ops WHERE kind IN ('buy', 'retry') AND NOT coalesce(outcome = 'refused' AND http_status IS NULL, false);
CREATE VIEW due AS
    SELECT t0_ns + (time_s * 1e9)::BIGINT AS scheduled_ns FROM plan, sale, range(clicks) WHERE (SELECT max(time_s) > 0 FROM plan)
    UNION ALL SELECT scheduled_ns FROM asks WHERE kind = 'retry' OR NOT coalesce((SELECT max(time_s) > 0 FROM plan), false);
"""

# A folder named `key=value` is no column: a run directory may be called anything.
OWN_COLUMNS = "hive_partitioning = false"

Column = NDArray[np.float64]


class Missing(Exception):
    """Something that a figure or table needs is not in the run directory. The message names it."""


@dataclass(frozen=True)
class Fault:
    """One fault that was injected. Times are wall-clock ns, None if not known."""

    name: str
    target: str
    intended_ns: float | None
    observed_ns: float | None
    healed_ns: float | None
    recovered_ns: float | None


@dataclass(frozen=True, eq=False)
class RunData:
    """A run directory and the connection that reads it."""

    path: Path
    db: Any
    missing: Mapping[str, str]
    experiment: Mapping[str, object]  # dotted key → value
    environment: Mapping[str, Any]
    verdict: Verdict
    faults: tuple[Fault, ...]
    limits: tuple[
        tuple[float, float], ...
    ]  # wall-clock ns, and the orders a second that all workers were allowed from then on
    counted: bool = False  # whether units have no numbers of their own

    def need(self, *tables: str) -> None:
        """Raises `Missing`, naming the files, unless all `tables` could be read."""
        gone = [self.missing[table] for table in tables if table in self.missing]
        if gone:
            raise Missing("; ".join(gone))

    def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Rows of a query as Python values."""
        found: list[tuple[Any, ...]] = self.db.execute(sql, list(parameters)).fetchall()
        return found

    def columns(self, sql: str, *parameters: object) -> list[Column]:
        """Columns of a query of numbers, as float arrays; NULL becomes NaN."""
        found = self.db.execute(sql, list(parameters)).fetchnumpy()
        return [np.ma.filled(np.ma.asarray(each, dtype=np.float64), np.nan) for each in found.values()]

    def sale(self, column: str) -> Any:
        """One column of the sale's only row; None where it is not known."""
        found = self.rows(f"SELECT {column} FROM sale LIMIT 1")
        return found[0][0] if found else None


@contextmanager
def open_run(path: Path) -> Iterator[RunData]:
    """Open the run directory `path`, complete or not. Raises FileNotFoundError if it is not a directory."""
    if not path.is_dir():
        raise FileNotFoundError(f"{path}: expected a run directory, found none; give one such as runs/latest")
    db = duckdb.connect(config={"autoinstall_known_extensions": "false"})
    try:
        scope = _scope(path / "scope.json")
        needless = {table for table, name in SETS.items() if scope and name not in scope["declared"]}
        missing = {table: why for table in TABLES if (why := _view(db, path, table)) and table not in needless}
        _plan(db, path / "arrivals.csv")
        db.execute(ASKS)
        yield RunData(
            path=path,
            db=db,
            missing=missing,
            experiment=_experiment(path / "experiment.toml"),
            environment=_environment(path / "environment.json"),
            verdict=read_verdict(path / "verdict.json"),
            faults=tuple(_faults(path / "faults.jsonl")),
            limits=tuple(_limits(path / "limits.jsonl")),
            counted=bool(scope) and scope.get("units") == "counted",
        )
    finally:
        db.close()


def _view(db: Any, path: Path, table: str) -> str | None:
    """Makes the view `table`: empty without its file, NULL in columns it lacks. Returns what is wrong with the file, or None."""
    name, schema = TABLES[table]
    columns = [column.split() for column in schema.split(",")]
    why = None
    found: set[str] = set()
    source = f"read_parquet({_pattern(path / name)}, {OWN_COLUMNS})"
    try:
        found = {row[0] for row in db.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()}
        if not found & {column for column, _ in columns}:
            why = f"{name} has none of the columns expected"
    except duckdb.Error:
        why = f"{name} is not there" if not (path / name).exists() else f"{name} cannot be read"
    picked = ", ".join(
        f'TRY_CAST("{column}" AS {kind}) AS {column}' if column in found else f"NULL::{kind} AS {column}"
        for column, kind in columns
    )
    db.execute(f"CREATE VIEW {table} AS SELECT {picked} FROM {'(SELECT 1) WHERE false' if why else source}")
    return why


def _plan(db: Any, path: Path) -> None:
    """Makes the table `plan`: when each buyer was due, and how many orders it was to send then. Empty without its file."""
    columns = "{'time_s': 'DOUBLE', 'clicks': 'BIGINT'}"
    source = f"read_csv({_pattern(path)}, header = true, delim = ',', columns = {columns}, {OWN_COLUMNS})"
    try:
        db.execute(f"CREATE TABLE plan AS FROM {source}")
    except duckdb.Error:
        db.execute("CREATE TABLE plan (time_s DOUBLE, clicks BIGINT)")


def _pattern(path: Path) -> str:
    """The pattern that matches the one file `path`, as an SQL string: DuckDB takes a path for a pattern."""
    return "'" + re.sub(r"[*?\[]", r"[\g<0>]", str(path)).replace("'", "''") + "'"


def _experiment(path: Path) -> dict[str, object]:
    try:
        return dict(_flat(tomllib.loads(path.read_text(encoding="utf-8"))))
    except (OSError, ValueError):
        return {}


def _flat(data: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, value in data.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _scope(path: Path) -> dict[str, Any]:
    """What the manifest declares; empty where the run does not say."""
    try:
        data = json.loads(path.read_text(encoding="utf-8", errors="replace"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) and isinstance(data.get("declared"), list) else {}


def _environment(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8", errors="replace"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def defaults(run: RunData) -> dict[str, object]:
    """The defaults of the experiment's keys, in dotted form, where the environment recorded them."""
    data = run.environment.get("defaults")
    return dict(_flat(data)) if isinstance(data, dict) else {}


def _limits(path: Path) -> Iterator[tuple[float, float]]:
    """The changes of the limit that at least one worker confirmed; lines that cannot be read are skipped."""
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else ():
        try:
            change = json.loads(line)
            if change["answered"]:
                yield float(change["time_ns"]), float(change["together_per_s"])
        except (ValueError, TypeError, KeyError):
            continue


def _faults(path: Path) -> Iterator[Fault]:
    """The fault log, line by line; lines that cannot be read are skipped."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        try:
            data = json.loads(line)
        except ValueError:
            continue
        if isinstance(data, dict):
            yield Fault(
                plain(data.get("fault") or data.get("name") or "fault"),
                plain(data.get("target") or ""),
                *(number(data.get(f"{moment}_ns")) for moment in ("intended", "observed", "healed", "recovered")),
            )
