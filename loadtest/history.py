"""History: one line an operation, as the buyers saw it.

While a run goes on each generator process streams a shard ``history/<generator>.jsonl`` of two kinds of line. The intent is
there before the request is sent; the completion follows. An intent without a completion is an order whose
fate nobody knows, and reads as `unknown`.

    {"op":17,"b":"b-000017","k":"buy","s":<scheduled_ns>,"t":<start_ns>}
    {"o":"won","n":"sale-000001","op":17,"e":<end_ns>,"h":202}

All times are wall-clock nanoseconds since the epoch, by the generator's own clock. `load_history` joins the shards into
``history.parquet``, whose columns are the fields of `Op`, and whose times are by the clock of the master: see `generators`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from loadtest.errors import HarnessError
from loadtest.generators import read_generators
from loadtest.shards import Form, ShardError, database, find_shards, read_lines, replace_parquet

# A `retry` is an order, too: a buy that the same buyer sends again because no answer came.
Kind = Literal["buy", "retry", "status", "page"]
Outcome = Literal[
    # ok: the shop answered
    "won", "sold_out", "already_bought", "throttled",
    # ok, of a status or a page
    "pending", "confirmed", "rejected", "ok",
    # fail: provably not applied (connection refused, 4xx validation)
    "refused",
    # info: time-out, reset after send, 5xx, generator died
    "unknown",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Op:
    """One operation of one buyer. `end_ns` is None, and the outcome `unknown`, where no completion was written."""

    op_id: int
    generator: str
    buyer: str
    kind: Kind
    scheduled_ns: int
    start_ns: int
    end_ns: int | None
    outcome: Outcome
    number: str | None = None
    http_status: int | None = None
    error: str | None = None


# An intent has the first half of the columns, a completion the second.
COLUMNS = {
    "op": "BIGINT", "b": "VARCHAR", "k": "VARCHAR", "s": "BIGINT", "t": "BIGINT",
    "e": "BIGINT", "o": "VARCHAR", "n": "VARCHAR", "h": "INTEGER", "x": "VARCHAR",
}  # fmt: skip
GOOD = f"""
(op IS NOT NULL AND CASE
    WHEN k IS NOT NULL THEN k IN {get_args(Kind)} AND b IS NOT NULL AND s IS NOT NULL AND t IS NOT NULL AND e IS NULL
    ELSE o IN {get_args(Outcome)} AND e IS NOT NULL AND t IS NULL END)
"""
STRAY = """
SELECT writer, op, count(k) AS intents, count(*) - count(k) AS completions FROM lines
GROUP BY writer, op HAVING intents <> 1 OR completions > 1 ORDER BY writer, op LIMIT 1
"""
JOIN = """
SELECT i.op AS op_id, i.writer AS generator, i.b AS buyer, i.k AS kind,
       i.s + coalesce(offset_ns, 0) AS scheduled_ns, i.t + coalesce(offset_ns, 0) AS start_ns, c.e + coalesce(offset_ns, 0) AS end_ns,
       coalesce(c.o, 'unknown') AS outcome, c.n AS number, c.h AS http_status,
       CASE WHEN c.op IS NULL THEN 'no completion recorded' ELSE c.x END AS error
FROM (FROM lines WHERE k IS NOT NULL) i LEFT JOIN (FROM lines WHERE k IS NULL) c USING (writer, op)
LEFT JOIN clocks USING (writer)
ORDER BY start_ns, generator, op_id
"""


def load_history(run_dir: Path) -> Path:
    """Joins ``history/*.jsonl`` to ``history.parquet``, one row an operation in the order they were sent, and gives its path.

    Raises:
        ShardError: there is no shard, a line does not parse, intents and completions do not pair, or the clocks of the
            generators cannot be read. Only the trailing NUL bytes and the torn last line of a killed generator are let pass.
    """
    shards = find_shards(run_dir / "history")
    if not shards:
        raise ShardError(
            f"{run_dir / 'history'}: expected a shard for each generator, found none; was the load ever started?"
        )
    target = run_dir / "history.parquet"
    with database() as db:
        read_lines(db, shards, Form("history", COLUMNS, GOOD, _fault))
        _refuse_strays(db)
        _read_clocks(db, run_dir)
        replace_parquet(db, JOIN, target)
    return target


def _read_clocks(db: Any, run_dir: Path) -> None:
    db.execute("CREATE TEMP TABLE clocks (writer VARCHAR, offset_ns BIGINT)")
    try:
        for each in read_generators(run_dir):
            db.execute("INSERT INTO clocks VALUES (?, ?)", [each.generator, each.offset_ns])
    except HarnessError as error:
        raise ShardError(str(error)) from None


def _refuse_strays(db: Any) -> None:
    """A line written twice, or a completion of what was never begun, would change what buyers saw."""
    stray = db.execute(STRAY).fetchone()
    if stray:
        raise ShardError(
            "history does not parse: {}.jsonl: op {} has {} intents and {} completions; expected one intent and at most "
            "one completion".format(*stray)
        )


def _fault(line: dict[str, Any]) -> str | None:
    """What is wrong with one line that is JSON; None when nothing is."""
    if not isinstance(line.get("op"), int):
        return "no op"
    expected: dict[str, type] = {"b": str, "k": str, "s": int, "t": int} if "k" in line else {"e": int, "o": str}
    for key, kind in expected.items():
        if not isinstance(line.get(key), kind):
            return f"{key!r} is not {'text' if kind is str else 'a whole number'}"
    if line.get("k", "buy") not in get_args(Kind):
        return f"no such kind as {line['k']!r}"
    if "k" not in line and line["o"] not in get_args(Outcome):
        return f"no such outcome as {line['o']!r}"
    return "an intent and a completion in one" if "k" in line and "e" in line else None
