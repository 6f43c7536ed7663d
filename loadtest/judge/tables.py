"""Tables: one run directory as DuckDB tables. Every check, figure and threshold queries these and nothing else.

Recorded by the run: ``ops`` (the history), ``seeded``, ``orders``, ``tokens``, ``claims``, ``rejected``, ``queue`` (the final
reads), ``samples``, ``faults``, ``changes`` (of the limit while the sale ran), ``sale``, ``plan`` (the planned arrivals; empty
in a run without a plan). Derived from these, and defined only here:

    asks       the orders placed: ops of kind `buy` and `retry` that left; a number without a character is NULL
    never_left orders that were never sent: no connection, no address, no port
    demand     how many `buyers` placed orders and were not refused every time, and how many of these were `answered` or have a row
    scheduled  the part of the plan that comes after T0: empty unless arrivals were open
    polls      what buyers were told of an order: ops of kind `status`. Where no number was recorded, that of the buyer's only promise
    said       for each (buyer, number) the last poll that said confirmed or rejected (`state`, `told_ns`, `op`; NULL where none
               did), and the last that said anything (`last_start_ns`, `last_end_ns`, `last_op`)
    told_rejected  the rejections, in the final read or in the last word of the buyer's polls; number NULL where it is not known
    promises   A: one row for each (buyer, number) that a buyer was told is theirs, and one for each `won` without a number, unless a
               later `already_bought` told its number. `withdrawn` where it was explicitly rejected
    explained  for each buyer, how many rows without a promise may come from unanswered orders or wins without a number. Any
               row is explained of a buyer whose generator is not whole, as they may have asked any number of times
    generators a row for each process that buyers ran in, where there were several. One that died before it had delivered its
               history is not `whole`; `missing` is how many of its planned buy requests may or may not have been sent
    moved      by how many nanoseconds the clock of a generator was seen to move during the sale
    apart      by how many nanoseconds the times of two generators, or of one, may be wrong beside each other
    ways       the way of each order to its row: when its buyer first asked (NULL: not known), was told, and when it was created
    undated    why the rows' times of creation cannot be relied on, as (text, remedy); empty where they can
    asked_for  the faults that the experiment asks for
    patience   how long a buyer waits for an answer; empty where the experiment does not say
    held       C: claims whose number is neither a row of that buyer, nor queued, nor a rejection of that buyer. Any row will do where
               rows or claims have no buyer, or none of the claims' buyers is one who asked
    placed     the seeded numbers that are not in exactly one place: in how many `places`, and which (`named`)
    limits     the orders a second that all workers together were allowed, from one change to the next; NULL without a limiter
    clock      T0; whether the harness stopped waiting before its own deadline (`cut_short`); whether the sale has not drained
               and workers may hold orders whose numbers the broker does not show (`veiled`)
    row_seconds the one-second windows that begin with a row: (began_ns, n), n rows within it
    watched    moments from T0 to the last row, and whether a backlog stood then
    backlogs   the spans of two seconds and more in which a backlog stood, and the rate at which rows were written meanwhile
    unseen     the spans in which one may have stood, and nothing shows whether it did

A table that cannot be read exists, is empty, and is named in `Tables.missing`: a check that needs it is UNKNOWN, not VALID.
"""

import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtest.errors import HarnessError
from loadtest.judge.dates import UNDATED
from loadtest.judge.spans import BACKLOGS, ROW_SECONDS, UNSEEN, WATCHED
from loadtest.record.database import database, from_csv, from_lines, from_parquet
from loadtest.record.generators import BUYERS_EACH, read_generators

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
    "orders": f"{PAIR}, created_ns BIGINT",
    "tokens": "number VARCHAR",
    "claims": PAIR,
    "rejected": PAIR,
    "queue": "number VARCHAR, state VARCHAR",
    "samples": "time_ns BIGINT, probe VARCHAR, metric VARCHAR, value DOUBLE",
    "sale": "sale VARCHAR, scheme VARCHAR, dispatch VARCHAR, limiter_kind VARCHAR, stock BIGINT, buyers BIGINT, "
    "per_buyer BIGINT, configured_per_s DOUBLE, workers BIGINT, burst BIGINT, t0_ns BIGINT, drained BOOLEAN, "
    "drained_ns BIGINT, deadline_s DOUBLE, near_misses BIGINT, planned BIGINT, redelivery_s DOUBLE, sampler_hz DOUBLE, "
    "db_offset_ns BIGINT, db_uncertainty_ns BIGINT, read_ns BIGINT",
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
}  # fmt: skip

# Columns that the files of older runs lack: after how long the broker redelivers a message, how often the probes were read, the
# database's clock beside ours, and when the rows were read.
OPTIONAL = {"sale": ("redelivery_s", "sampler_hz", "db_offset_ns", "db_uncertainty_ns", "read_ns")}

DERIVED = """
CREATE MACRO op_name(generator, op_id) AS 'op ' || op_id || ' of ' || generator;
CREATE MACRO since_t0(ns) AS format('T0 {:+.3f} s', (ns - (SELECT t0_ns FROM sale)) / 1e9);
CREATE TEMP TABLE asks AS
    SELECT * REPLACE (nullif(trim(number), '') AS number)
    FROM ops WHERE kind IN ('buy', 'retry') AND NOT (outcome = 'refused' AND http_status IS NULL);
CREATE TEMP TABLE never_left AS FROM ops WHERE kind IN ('buy', 'retry') AND outcome = 'refused' AND http_status IS NULL;
CREATE TEMP TABLE demand AS
    SELECT count(*) AS buyers, count(*) FILTER (WHERE answered OR buyer IN (SELECT buyer FROM orders)) AS answered
    FROM (SELECT buyer, bool_or(outcome <> 'unknown') AS answered FROM asks WHERE outcome <> 'refused' GROUP BY buyer);
CREATE VIEW scheduled AS FROM plan WHERE offset_ns > 0;
CREATE TEMP TABLE acknowledged AS
    WITH numbered AS (
        SELECT number, buyer, min(end_ns) AS told_ns, arg_min(op_name(generator, op_id), end_ns) AS op, bool_or(outcome = 'won') AS won
        FROM asks WHERE outcome IN ('won', 'already_bought') AND number IS NOT NULL GROUP BY number, buyer
    )
    SELECT number, buyer, told_ns, op FROM numbered
    UNION ALL
    SELECT NULL, buyer, end_ns, op FROM (
        SELECT buyer, end_ns, op_name(generator, op_id) AS op, row_number() OVER (PARTITION BY buyer ORDER BY end_ns, op_id) AS nth
        FROM asks WHERE outcome = 'won' AND number IS NULL
    ) LEFT JOIN (SELECT buyer, count(*) AS named FROM numbered WHERE NOT won GROUP BY buyer) USING (buyer) WHERE nth > coalesce(named, 0);
CREATE TEMP TABLE sole AS SELECT buyer, any_value(number) AS number FROM acknowledged GROUP BY buyer HAVING count(*) = 1;
CREATE TEMP TABLE polls AS
    SELECT coalesce(o.number, sole.number) AS number, buyer, outcome, http_status, start_ns, end_ns, op_name(generator, op_id) AS op
    FROM ops o LEFT JOIN sole USING (buyer) WHERE kind = 'status';
CREATE TEMP TABLE said AS
    SELECT buyer, number, arg_max(outcome, end_ns) FILTER (WHERE outcome <> 'pending') AS state,
        max(end_ns) FILTER (WHERE outcome <> 'pending') AS told_ns, arg_max(op, end_ns) FILTER (WHERE outcome <> 'pending') AS op,
        arg_max(start_ns, end_ns) AS last_start_ns, max(end_ns) AS last_end_ns, arg_max(op, end_ns) AS last_op
    FROM polls WHERE outcome IN ('pending', 'confirmed', 'rejected') GROUP BY buyer, number;
CREATE TEMP TABLE told_rejected AS
    SELECT DISTINCT number, buyer FROM rejected UNION SELECT number, buyer FROM said WHERE state = 'rejected';
CREATE TEMP TABLE promises AS
    SELECT a.*, r.number IS NOT NULL AS withdrawn FROM acknowledged a JOIN told_rejected r USING (number, buyer)
    UNION ALL
    SELECT a.*, false FROM acknowledged a ANTI JOIN told_rejected USING (number, buyer) WHERE number IS NOT NULL
    UNION ALL
    SELECT a.* EXCLUDE nth, nth <= coalesce(returned, 0) FROM (
        SELECT *, row_number() OVER (PARTITION BY buyer ORDER BY told_ns, op) AS nth FROM acknowledged WHERE number IS NULL
    ) a LEFT JOIN (
        SELECT buyer, count(*) AS returned FROM told_rejected r ANTI JOIN acknowledged USING (number, buyer)
        WHERE number IS NOT NULL OR buyer IN (SELECT buyer FROM sole) GROUP BY buyer
    ) USING (buyer);
CREATE TEMP TABLE generators AS
    SELECT c.*, if(whole, 0, greatest(0, planned - (SELECT count(*) FROM ops o WHERE o.generator = c.generator AND kind = 'buy'))) AS missing
    FROM crew c;
CREATE TEMP TABLE moved AS
    SELECT generator, max(abs(o.value * 1e6 - offset_ns))::BIGINT AS moved_ns
    FROM generators g
    JOIN samples o ON o.probe = 'generator' AND o.metric = generator || '.clock_offset_ms' AND o.time_ns > (SELECT t0_ns FROM sale)
    JOIN samples u ON u.probe = 'generator' AND u.metric = generator || '.clock_uncertainty_ms' AND u.time_ns = o.time_ns
    GROUP BY generator HAVING max(abs(o.value * 1e6 - offset_ns) - u.value * 1e6 - coalesce(uncertainty_ns, 0)) > 5e6;
CREATE TEMP TABLE apart AS
    SELECT a.generator AS one, b.generator AS other, if(one = other, 0,
        coalesce((SELECT sum(uncertainty_ns) FROM crew WHERE crew.generator IN (a.generator, b.generator)), 0))
        + coalesce((SELECT sum(moved_ns) FROM moved WHERE moved.generator IN (a.generator, b.generator)), 0) AS apart_ns
    FROM (SELECT DISTINCT generator FROM asks) a, (SELECT DISTINCT generator FROM asks) b;
CREATE TEMP TABLE explained AS
    SELECT buyer, sum(rows)::BIGINT AS rows FROM (
        SELECT buyer, count(*) AS rows FROM asks
        WHERE outcome = 'unknown' OR (outcome IN ('won', 'already_bought') AND number IS NULL) GROUP BY buyer
        UNION ALL
        SELECT DISTINCT buyer, 1000000 FROM orders, crew WHERE NOT whole AND (starts_with(buyer, 's-')
            OR try_cast(ltrim(buyer, 'b-') AS BIGINT) BETWEEN first_buyer AND last_buyer)
    ) GROUP BY buyer;
CREATE TEMP TABLE ways AS
    SELECT o.number, o.buyer, started_ns, coalesce(p.told_ns, w.told_ns) AS told_ns, created_ns FROM orders o
    LEFT JOIN (SELECT number, buyer, min(told_ns) AS told_ns FROM promises WHERE number IS NOT NULL GROUP BY ALL) p
        ON p.number = o.number AND p.buyer = o.buyer
    LEFT JOIN (SELECT buyer, min(told_ns) AS told_ns FROM promises WHERE number IS NULL GROUP BY buyer) w ON w.buyer = o.buyer
    LEFT JOIN (SELECT buyer, min(start_ns) AS started_ns FROM asks SEMI JOIN orders USING (buyer) GROUP BY buyer) a ON a.buyer = o.buyer
    WHERE created_ns IS NOT NULL;
CREATE TEMP TABLE held AS
    WITH strange AS (SELECT EXISTS (FROM asks) AND NOT EXISTS (FROM claims SEMI JOIN asks USING (buyer)) AS names)
    SELECT DISTINCT number, buyer FROM claims
    ANTI JOIN orders USING (number, buyer) ANTI JOIN queue USING (number) ANTI JOIN rejected USING (number, buyer)
    ANTI JOIN (SELECT number FROM orders, strange WHERE buyer IS NULL OR names) USING (number)
    WHERE buyer IS NOT NULL OR number NOT IN (SELECT number FROM orders WHERE number IS NOT NULL);
CREATE TEMP TABLE placed AS
    WITH elsewhere AS (
        SELECT number FROM tokens UNION SELECT number FROM orders UNION SELECT number FROM queue UNION SELECT number FROM held
    ), places AS (
        SELECT number, 'tokens' AS place FROM tokens
        UNION ALL SELECT number, 'claims' FROM held
        UNION ALL SELECT DISTINCT number, 'queue' FROM queue ANTI JOIN orders USING (number)
        UNION ALL SELECT DISTINCT number, 'rows' FROM orders
        UNION ALL SELECT DISTINCT number, 'rejected' FROM rejected ANTI JOIN elsewhere USING (number)
        UNION ALL SELECT DISTINCT number, 'rejected' FROM rejected SEMI JOIN orders USING (number, buyer)
    )
    SELECT number, count(place) AS places, array_to_string(list(place ORDER BY place), ', ') AS named
    FROM (SELECT DISTINCT number FROM seeded) LEFT JOIN places USING (number) GROUP BY number HAVING places <> 1;
CREATE TEMP TABLE limits AS
    SELECT from_ns, lead(from_ns, 1, 4000000000000000000) OVER (ORDER BY from_ns) AS to_ns, allowed_per_s FROM (
        SELECT 0::BIGINT AS from_ns, configured_per_s AS allowed_per_s FROM sale
        UNION ALL SELECT time_ns, together_per_s FROM changes WHERE answered > 0
    );
CREATE TEMP TABLE clock AS
    SELECT t0_ns, drained, deadline_s, NOT drained AND coalesce(
        (SELECT max(time_ns) FROM samples WHERE probe = 'run' AND metric = 'phase.reading') < t0_ns + (deadline_s - 1) * 1e9,
        false) AS cut_short, NOT drained AND EXISTS (FROM queue WHERE number IS NULL) AS veiled
    FROM sale;
"""
# Expensive queries that several checks and figures use: computed once, as tables.
ASKED_OFTEN = {"row_seconds": ROW_SECONDS, "watched": WATCHED, "backlogs": BACKLOGS, "unseen": UNSEEN}


@dataclass(frozen=True)
class Tables:
    """An open run. `db` is its DuckDB connection; `missing` maps each table that could not be read to the reason."""

    db: Any
    missing: dict[str, str]

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
        for name, file in FILES.items():
            reason = _open(db, name, run_dir / file, missing.get(name))
            if reason:
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
        db.execute(DERIVED + UNDATED)
        for name, query in ASKED_OFTEN.items():
            _work_out(db, name, query)
        yield Tables(db, missing)


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
    """Create ``crew``: the recorded generators, each with the range of numbers that the names of its buyers come from."""
    columns = (
        "generator VARCHAR, process BIGINT, planned BIGINT, whole BOOLEAN, offset_ns BIGINT, uncertainty_ns BIGINT"
    )
    db.execute(f"CREATE TEMP TABLE crew ({columns}, first_buyer BIGINT, last_buyer BIGINT)")
    try:
        for each in read_generators(run_dir):
            names = each.process * BUYERS_EACH + 1, (each.process + 1) * BUYERS_EACH
            row = [each.generator, each.process, each.planned, each.whole, each.offset_ns, each.uncertainty_ns, *names]
            db.execute("INSERT INTO crew VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
    except HarnessError as error:
        return str(error)
    return None


def _casts(name: str) -> str:
    return ", ".join(f"CAST({c.split()[0]} AS {c.split()[1]}) AS {c.split()[0]}" for c in COLUMNS[name].split(", "))


def _empty(name: str) -> str:
    nulls = ", ".join(f"CAST(NULL AS {c.split()[1]}) AS {c.split()[0]}" for c in COLUMNS[name].split(", "))
    return f"SELECT {nulls} WHERE false"
