"""Forgeries: copies of a VALID run with one recorded thing changed, and the check that must then fail."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from loadtest.record.database import database, from_parquet


@dataclass(frozen=True)
class Forgery:
    """A change to one Parquet file of a run directory.

    `query`: DuckDB SQL over the tables ``it``, the file's rows, and ``orders`` and ``ops``, those of the run, that gives the new rows of
    the file; None removes it.
    `trips`: checks of which one must then fail; ``unknown`` stands for the verdict UNKNOWN.
    """

    name: str
    what: str
    trips: tuple[str, ...]
    file: str
    query: str | None

    def make(self, good: Path, path: Path) -> None:
        """Copy the run directory `good` to `path`, and change that file there."""
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(good, path, ignore=shutil.ignore_patterns("verdict.json", "report.html", "figures", "logs"))
        target = path / self.file
        if self.query is None:
            target.unlink()
            return
        with database(ordered=True) as connection:
            connection.execute(f"CREATE TABLE it AS FROM {from_parquet(target)}")
            for name, file in (("orders", ORDERS), ("ops", HISTORY)):
                connection.execute(f"CREATE TABLE {name} AS FROM {from_parquet(path / file)}")
            connection.sql(self.query).write_parquet(str(target))


ORDERS, QUEUE, CLAIMS, TOKENS = (f"final/{name}.parquet" for name in ("orders", "queue", "claims", "tokens"))
HISTORY = "history.parquet"

FORGERIES = (
    Forgery("drop-a-row", "a stored order vanishes", ("lost",), ORDERS, "FROM it ORDER BY number OFFSET 1"),
    Forgery(
        "copy-an-acknowledgement", "a second buyer is told the same number", ("double_promise",), HISTORY,
        """FROM it UNION ALL BY NAME SELECT * REPLACE ((SELECT min(buyer) FROM it WHERE outcome = 'sold_out') AS buyer, -1 AS op_id)
           FROM (FROM it WHERE outcome = 'won' ORDER BY number LIMIT 1)""",
    ),
    Forgery(
        "swap-an-owner", "two stored orders change hands", ("wrong_owner",), ORDERS,
        """SELECT * REPLACE (CASE number WHEN (SELECT min(number) FROM it) THEN (SELECT arg_max(buyer, number) FROM it)
               WHEN (SELECT max(number) FROM it) THEN (SELECT arg_min(buyer, number) FROM it) ELSE buyer END AS buyer) FROM it""",
    ),
    Forgery(
        "sell-to-a-stranger", "an order of somebody who never asked", ("phantom",), ORDERS,
        "SELECT * REPLACE (CASE WHEN number = (SELECT min(number) FROM it) THEN 'stranger' ELSE buyer END AS buyer) FROM it",
    ),
    Forgery(
        "win-after-the-end", "a buyer wins long after others were told sold-out", ("sold_out_early",), HISTORY,
        """SELECT * REPLACE (CASE WHEN late THEN last_ns + 1000000 ELSE start_ns END AS start_ns,
               CASE WHEN late THEN last_ns + 2000000 ELSE end_ns END AS end_ns)
           FROM (SELECT *, max(end_ns) OVER () AS last_ns, kind = 'buy' AND number = max(number) OVER () AS late FROM it)""",
    ),
    Forgery(
        "win-without-a-number", "a loser was told of a win, and of no number", ("lost",), HISTORY,
        """SELECT * REPLACE (CASE WHEN buyer = (SELECT min(buyer) FROM it WHERE outcome = 'sold_out') AND outcome = 'sold_out'
               THEN 'won' ELSE outcome END AS outcome) FROM it""",
    ),
    Forgery(
        "sold-and-still-for-sale", "a number that has a row is for sale as well", ("leaked",), TOKENS,
        "FROM it UNION ALL BY NAME SELECT min(number) AS number FROM orders",
    ),
    Forgery(
        "popped-twice", "a buyer holds the claim to a number that is another's row", ("leaked",), CLAIMS,
        """FROM it UNION ALL BY NAME SELECT (SELECT min(number) FROM orders) AS number,
               (SELECT min(buyer) FROM ops WHERE outcome = 'sold_out') AS buyer""",
    ),
    Forgery(
        "confirmed-without-a-row", "a loser's poll said that their order is confirmed", ("told_untrue",), HISTORY,
        """FROM it UNION ALL BY NAME SELECT * REPLACE ('status' AS kind, 'confirmed' AS outcome, 'an order' AS number, 200 AS http_status,
               -1 AS op_id) FROM (FROM it WHERE outcome = 'sold_out' ORDER BY buyer LIMIT 1)""",
    ),
    Forgery(
        "bought-already", "a loser was told that they have one", ("lockout",), HISTORY,
        """SELECT * REPLACE (CASE WHEN buyer = (SELECT min(buyer) FROM it WHERE outcome = 'sold_out') AND outcome = 'sold_out'
               THEN 'already_bought' ELSE outcome END AS outcome) FROM it""",
    ),
    Forgery(
        "never-drained", "an order waits in the queue at the deadline", ("drain",), QUEUE,
        "FROM it UNION ALL BY NAME SELECT 'an order' AS number, 'ready' AS state",
    ),
    Forgery("erase-a-final-read", "nobody knows what was stored", ("unknown",), ORDERS, None),
)  # fmt: skip
