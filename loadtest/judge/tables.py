"""Tables: one run directory as DuckDB tables. Every check, figure and threshold queries these and nothing else.

Recorded by the run: ``ops`` (the history), ``seeded``, ``orders``, ``tokens``, ``claims``, ``rejected``, ``queue`` (the final
reads), ``samples``, ``faults``, ``changes`` (of the limit while the sale ran), ``sale``, ``plan`` (the planned arrivals; empty
in a run without a plan), ``earlier`` (rows that an earlier sale has left), ``answers`` (the first bodies of each kind of answer), ``declared``, ``units``, ``items`` (what the manifest
declares, of `loadtest.judge.declared`). What is derived from these: `loadtest.judge.derived`.

A table that cannot be read exists, is empty, and is named in `Tables.missing`: a check that needs it is UNKNOWN, not VALID. One that
the manifest does not declare is empty, and not missing. ``left``, a column of ``sale``, is missing like a table where it was not read.
"""

import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loadtest.errors import HarnessError
from loadtest.judge.bodies import FirstAnswer, open_answers, read_answers
from loadtest.judge.declared import SETS, Scope, read_scope
from loadtest.judge.derived import ASKED_OFTEN, derived
from loadtest.judge.manifest_tables import open_bare_wins, open_scope, set_aside
from loadtest.record.database import database, from_csv, from_lines, from_parquet
from loadtest.record.generators import read_generators

Row = tuple[Any, ...]

PAIR = "number VARCHAR, buyer VARCHAR"
FILES = {
    "ops": "history.parquet",
    "seeded": "final/seeded.parquet",
    "orders": "final/orders.parquet",
    "tokens": "final/tokens.parquet",
    "claims": "final/claims.parquet",
    "rejected": "final/rejected.parquet",
    "queue": "final/queue.parquet",
    "samples": "samples.parquet",
    "sale": "sale.parquet",
}
# These grow with the number of buyers and the length of the run, so a large file is not loaded into memory.
LONG = ("ops", "samples")
SHORT_FILE_BYTES = 4_000_000
COLUMNS = {
    "ops": "op_id BIGINT, generator VARCHAR, buyer VARCHAR, kind VARCHAR, scheduled_ns BIGINT, start_ns BIGINT, "
    "end_ns BIGINT, outcome VARCHAR, number VARCHAR, http_status INTEGER, error VARCHAR",
    "seeded": "number VARCHAR",
    "orders": f"{PAIR}, created_ns BIGINT, quantity BIGINT, item VARCHAR",
    "tokens": "number VARCHAR",
    "claims": PAIR,
    "rejected": PAIR,
    "queue": "number VARCHAR, state VARCHAR",
    "samples": "time_ns BIGINT, probe VARCHAR, metric VARCHAR, value DOUBLE",
    "sale": "sale VARCHAR, scheme VARCHAR, dispatch VARCHAR, limiter_kind VARCHAR, stock BIGINT, buyers BIGINT, "
    "per_buyer BIGINT, configured_per_s DOUBLE, workers BIGINT, burst BIGINT, t0_ns BIGINT, drained BOOLEAN, "
    "drained_ns BIGINT, deadline_s DOUBLE, near_misses BIGINT, planned BIGINT, redelivery_s DOUBLE, sampler_hz DOUBLE, "
    "db_offset_ns BIGINT, db_uncertainty_ns BIGINT, read_ns BIGINT, left_units BIGINT",
    "faults": "fault VARCHAR, intended_ns BIGINT, injected_ns BIGINT, observed_ns BIGINT, healed_ns BIGINT, recovered_ns BIGINT, "
    "reason VARCHAR",
    "changes": "time_ns BIGINT, rate_per_s DOUBLE, together_per_s DOUBLE, answered BIGINT",
    "deaths": "t BIGINT, role VARCHAR, name VARCHAR, exit BIGINT",
}
# Written line by line during the run; no file where there was no fault, no change, or no death.
LINES = {"faults": "faults.jsonl", "changes": "limits.jsonl", "deaths": "deaths.jsonl"}
# The sets of the ledger, each with the key under [final] in the manifest that says where it is read.
FINAL_READS = {
    "seeded": "seeded", "orders": "rows", "tokens": "tokens", "claims": "claims", "rejected": "rejected", "queue": "queue",
    "left": "left",
}  # fmt: skip

# Columns that the files of older runs lack: after how long the broker redelivers a message, how often the probes were read, the
# database's clock beside ours, when the rows were read, and what counted units are told by.
OPTIONAL = {
    "sale": ("redelivery_s", "sampler_hz", "db_offset_ns", "db_uncertainty_ns", "read_ns", "left_units"),
    "orders": ("quantity", "item"),
}


@dataclass(frozen=True)
class Tables:
    """An open run. `db` is its DuckDB connection; `missing` maps each table that could not be read to the reason."""

    db: Any
    missing: dict[str, str]
    scope: Scope = field(default_factory=Scope)
    answers: tuple[FirstAnswer, ...] = ()

    def rows(self, sql: str) -> list[Row]:
        """All rows of a query; few are expected."""
        found: list[Row] = self.db.execute(sql).fetchall()
        return found

    def row(self, sql: str) -> Row:
        """The one row of a query that always has one."""
        return self.rows(sql)[0]

    def figure(self, sql: str) -> float | None:
        """The one number that a query of one row and column gives; None where it is NULL."""
        value: float | None = self.row(sql)[0]
        return value


@contextmanager
def open_tables(run_dir: Path, unreadable: Mapping[str, str] | None = None) -> Iterator[Tables]:
    """Open a run directory, which is only read. `unreadable` maps tables already known to be unreadable to the reason."""
    with database(ordered=True) as db:  # so that the same run gives its witnesses in the same order
        missing = dict(unreadable or {})
        scope, reason = read_scope(run_dir)
        if reason:
            missing["scope"] = reason
        for name, file in FILES.items():
            reason = _open(db, name, run_dir / file, missing.get(name))
            if reason and (name not in SETS or scope.has(SETS[name])):
                missing[name] = reason
        for name, file in LINES.items():
            reason = _open_lines(db, name, run_dir / file)
            if reason:
                missing[name] = reason
        reason = _open_plan(db, run_dir / "arrivals.csv")
        if reason:
            missing["plan"] = reason
        _open_experiment(db, run_dir / "experiment.toml")
        reason = _open_crew(db, run_dir)
        if reason:
            missing["ops"] = reason
        answers = read_answers(run_dir / "answers")
        open_answers(db, answers)
        scope = scope.but_unread(missing)
        open_bare_wins(db, run_dir / "shop.toml")
        set_aside(db, scope)
        open_scope(db, scope)
        db.execute(derived(scope, whole=not db.execute("SELECT count(*) FROM crew WHERE NOT whole").fetchone()[0]))
        for name, query in ASKED_OFTEN.items():
            _work_out(db, name, query)
        if (
            scope.has("left")
            and "sale" not in missing
            and db.execute("SELECT left_units FROM sale").fetchone()[0] is None
        ):
            missing["left"] = f"it was not read{_why(run_dir / 'final' / 'left.parquet')}"
        yield Tables(db, missing, scope, answers)


def _work_out(db: Any, name: str, query: str) -> None:
    """Create the table `name` from `query`. Where that fails, create a view, so that the error is raised in the check that queries it."""
    import duckdb

    try:
        db.execute(f"CREATE TEMP TABLE {name} AS {query}")
    except duckdb.Error:
        db.execute(f"CREATE TEMP VIEW {name} AS {query}")


def _open(db: Any, name: str, path: Path, reason: str | None) -> str | None:
    """Create `name` from the Parquet file `path`. Gives the reason where it cannot be read, and `name` is then empty; else None.

    A short file is loaded as a table: opening it anew for each of a hundred queries takes longer than the verdict of a small run.
    """
    import duckdb

    reason = reason or (None if path.is_file() else f"{FILES[name]} is not there{_why(path)}")
    try:
        if reason is None:
            # A Parquet file of another shape must fail here, not in a check.
            source = _with_optional(name, from_parquet(path))
            kind = "VIEW" if name in LONG and path.stat().st_size > SHORT_FILE_BYTES else "TABLE"
            db.execute(f"CREATE {kind} {name} AS SELECT {_casts(name)} FROM {source}")
            # What was loaded has been read. Of a view, nothing has.
            found = db.execute(f"SELECT count(*) FROM {name}").fetchone()[0] if kind == "VIEW" or name == "sale" else 0
            if name == "sale" and found != 1:
                reason = "sale.parquet has not exactly one row"
                db.execute(f"DROP TABLE {name}")
    except duckdb.Error as error:
        reason = f"{FILES[name]} does not read: {str(error).splitlines()[0]}"
    if reason:
        db.execute(f"CREATE OR REPLACE VIEW {name} AS {_empty(name)}")
    return reason


def _with_optional(name: str, source: str) -> str:
    """`source` with NULL in each optional column of `name` that it lacks."""
    columns = [column.split() for column in COLUMNS[name].split(", ")]
    absent = ", ".join(f"NULL::{kind} AS {column}" for column, kind in columns if column in OPTIONAL.get(name, ()))
    return f"(FROM {source} UNION ALL BY NAME SELECT {absent} WHERE false)" if absent else source


def _why(path: Path) -> str:
    """What the final read that should have written `path` said when it failed; nothing where it left no word."""
    failed = path.with_suffix(".failed")
    return f": {failed.read_text(encoding='utf-8', errors='replace').strip()}" if failed.is_file() else ""


def _open_lines(db: Any, name: str, path: Path) -> str | None:
    import duckdb

    columns = dict(column.split() for column in COLUMNS[name].split(", "))
    try:
        if path.is_file() and path.stat().st_size:
            db.execute(f"CREATE TEMP TABLE {name} AS FROM {from_lines([path], columns)}")
            return None
    except duckdb.Error as error:
        db.execute(f"CREATE VIEW {name} AS {_empty(name)}")
        return f"{path.name} does not parse: {str(error).splitlines()[0]}"
    db.execute(f"CREATE VIEW {name} AS {_empty(name)}")
    return None


def _open_plan(db: Any, path: Path) -> str | None:
    """Create `plan`: offsets in nanoseconds after T0, and orders due then. Empty, but not missing, without the file `path`."""
    import duckdb

    columns = {"time_s": "DECIMAL(18, 9)", "clicks": "BIGINT"}
    form = "CREATE TEMP TABLE plan AS SELECT (time_s::DECIMAL(38, 9) * 1000000000)::BIGINT AS offset_ns, clicks FROM"
    try:
        if path.is_file():
            db.execute(f"{form} {from_csv(path, columns)}")
            return None
    except duckdb.Error as error:
        db.execute(f"{form} (SELECT 0.0 AS time_s, 0 AS clicks WHERE false)")
        return f"arrivals.csv does not parse: {str(error).splitlines()[0]}"
    db.execute(f"{form} (SELECT 0.0 AS time_s, 0 AS clicks WHERE false)")
    return None


def _open_experiment(db: Any, path: Path) -> None:
    """Create ``asked_for``, whose faults are named as in the log of faults, and ``patience``. Both are empty without the file `path`."""
    db.execute("CREATE TEMP TABLE asked_for (fault VARCHAR); CREATE TEMP TABLE patience (timeout_ns BIGINT)")
    data = tomllib.loads(path.read_text(encoding="utf-8-sig")) if path.is_file() else {}
    for plan in data.get("faults", []):
        db.execute("INSERT INTO asked_for VALUES (?)", [f"{plan.get('kind')} {plan.get('role')}"])
    if timeout_s := data.get("arrivals", {}).get("timeout_s"):
        db.execute("INSERT INTO patience VALUES (?)", [int(timeout_s * 1e9)])


def _open_crew(db: Any, run_dir: Path) -> str | None:
    """Create ``crew``: the recorded generators, each with the numbers that the names of its buyers have: every `taking_turns`-th from the first to the last."""
    columns = (
        "generator VARCHAR, process BIGINT, planned BIGINT, whole BOOLEAN, offset_ns BIGINT, uncertainty_ns BIGINT"
    )
    db.execute(f"CREATE TEMP TABLE crew ({columns}, first_buyer BIGINT, last_buyer BIGINT, taking_turns BIGINT)")
    try:
        for each in read_generators(run_dir):
            names = each.numbers[0], each.numbers[-1], each.numbers.step
            row = [each.generator, each.process, each.planned, each.whole, each.offset_ns, each.uncertainty_ns, *names]
            db.execute("INSERT INTO crew VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    except HarnessError as error:
        return str(error)
    return None


def _casts(name: str) -> str:
    return ", ".join(f"CAST({c.split()[0]} AS {c.split()[1]}) AS {c.split()[0]}" for c in COLUMNS[name].split(", "))


def _empty(name: str) -> str:
    nulls = ", ".join(f"CAST(NULL AS {c.split()[1]}) AS {c.split()[0]}" for c in COLUMNS[name].split(", "))
    return f"SELECT {nulls} WHERE false"
