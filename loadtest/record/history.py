"""History: every operation of every buyer with its outcome, as the buyer saw it.

During a run each generator process streams a shard ``history/<generator>.jsonl`` of two kinds of line. The first is written
before a request is sent, and says which buyer asks for what. The second is written after the answer, and holds everything.
An operation with only the first line has outcome `unknown` and no times: nobody knows what became of it.

    {"b":"b-000017","k":"buy"}
    {"b":"b-000017","k":"buy","s":<scheduled_ns>,"t":<start_ns>,"e":<end_ns>,"a":{"o":"won","n":"sale-000001","h":202}}

All times are nanoseconds since the epoch, by the generator's own clock, which no step of the wall clock moves. `load_history` joins the shards into
``history.parquet``, whose columns are the fields of `Op` and whose times are by the clock of the master; see `record.generators`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from loadtest.errors import HarnessError
from loadtest.record.database import database
from loadtest.record.generators import read_generators
from loadtest.record.shards import Form, ShardError, find_shards, read_lines, replace_parquet

# A `retry` is an order, too: a buy that the same buyer sends again because no answer came.
# `before` is a step before the purchase, such as a log-in.
Kind = Literal["buy", "retry", "status", "page", "before"]
Outcome = Literal[
    # ok: the shop answered; `accepted` promises nothing yet
    "won", "accepted", "sold_out", "already_bought", "throttled",
    # ok, of a status, a page or a step
    "pending", "confirmed", "rejected", "ok",
    # fail: provably not applied (connection refused, 4xx validation)
    "refused",
    # info: time-out, reset after send, 5xx, generator died
    "unknown",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Op:
    """One operation of one buyer. `op_id` counts the operations of one `generator`, from 1, in the order they were sent.

    The times are in nanoseconds since the epoch; all three are None where no answer was recorded, and `outcome` is then `unknown`.
    """

    op_id: int
    generator: str
    buyer: str
    kind: Kind
    scheduled_ns: int | None
    start_ns: int | None
    end_ns: int | None
    outcome: Outcome
    number: str | None = None
    http_status: int | None = None
    error: str | None = None


COLUMNS = {
    "b": "VARCHAR", "k": "VARCHAR", "s": "BIGINT", "t": "BIGINT", "e": "BIGINT",
    "a": "STRUCT(o VARCHAR, n VARCHAR, h INTEGER, x VARCHAR)",
}  # fmt: skip
GOOD = f"""
(b IS NOT NULL AND k IN {get_args(Kind)} AND CASE
    WHEN e IS NULL THEN s IS NULL AND t IS NULL AND a IS NULL
    ELSE s IS NOT NULL AND t IS NOT NULL AND a.o IN {get_args(Outcome)} END)
"""
NAMED = {str: "text", int: "a whole number", dict: "an answer"}
STRAY = """
SELECT writer, format('{} ended {:,} × {} and began {:,}', b, count(e), k, count(*) - count(e)) FROM lines
GROUP BY writer, b, k HAVING 2 * count(e) > count(*) ORDER BY ALL LIMIT 1
"""
# No buyer sends twice in one nanosecond: two such lines are one line written twice.
TWICE = """
SELECT writer, format('the {} of {} at {} is there {:,} times', k, b, t, count(*)) FROM lines WHERE e IS NOT NULL
GROUP BY writer, b, k, t HAVING count(*) > 1 ORDER BY ALL LIMIT 1
"""
JOIN = """
WITH told AS (
    SELECT writer, b, k, s + ahead_ns AS s, t + ahead_ns AS t, e + ahead_ns AS e, a.o AS o, a.n AS n, a.h AS h, a.x AS x
    FROM (SELECT lines.*, coalesce(offset_ns, 0) AS ahead_ns FROM lines LEFT JOIN clocks USING (writer)) WHERE e IS NOT NULL
    UNION ALL
    SELECT writer, b, k, NULL, NULL, NULL, 'unknown', NULL, NULL, 'no answer was recorded'
    FROM (SELECT writer, b, k, count(*) - 2 * count(e) AS open FROM lines GROUP BY writer, b, k) begun, range(open)
)
SELECT row_number() OVER (PARTITION BY writer ORDER BY t, e, b, k) AS op_id, writer AS generator, b AS buyer, k AS kind,
       s AS scheduled_ns, t AS start_ns, e AS end_ns, o AS outcome, n AS number, h AS http_status, x AS error
FROM told ORDER BY start_ns, generator, op_id
"""


def load_history(run_dir: Path) -> Path:
    """Join ``history/*.jsonl`` to ``history.parquet``, one row an operation in the order they were sent. Gives its path.

    Raises:
        ShardError: there is no shard, a line does not parse, an end has no beginning or is there twice, or the clocks of the
            generators cannot be read. Only the trailing NUL bytes and the torn last line of a killed generator are allowed.
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
    """Raise for an end without its beginning, or one written twice: either would change what buyers are taken to have seen."""
    for query in (STRAY, TWICE):
        if stray := db.execute(query).fetchone():
            raise ShardError(
                "history does not parse: {}.jsonl: {}; expected one beginning of each, and at most one end".format(
                    *stray
                )
            )


def _fault(line: dict[str, Any]) -> str | None:
    """What is wrong with one parsed line, in words; None when nothing is."""
    expected: dict[str, type] = {"b": str, "k": str}
    if line.keys() & {"s", "t", "e", "a"}:
        expected |= {"s": int, "t": int, "e": int, "a": dict}
    for key, kind in expected.items():
        if not isinstance(line.get(key), kind):
            return f"{key!r} is not {NAMED[kind]}"
    if line["k"] not in get_args(Kind):
        return f"no such kind as {line['k']!r}"
    if "a" in line and line["a"].get("o") not in get_args(Outcome):
        return f"no such outcome as {line['a'].get('o')!r}"
    return None
