"""Manifest tables: what a run says of its manifest, as tables, and the rows that its manifest should not have selected."""

import tomllib
from pathlib import Path
from typing import Any

from loadtest.judge.declared import Scope

# Clocks may differ, but not by so much.
EARLIER_NS = 60 * 10**9


def open_scope(db: Any, scope: Scope) -> None:
    """Create ``declared``, ``units`` and ``items``."""
    db.execute("CREATE TEMP TABLE declared (name VARCHAR); CREATE TEMP TABLE items (item VARCHAR, units BIGINT)")
    db.execute(f"CREATE TEMP TABLE units AS SELECT '{scope.units}' AS kind")
    for name in sorted(scope.declared):
        db.execute("INSERT INTO declared VALUES (?)", [name])
    for item, units in scope.items.items():
        db.execute("INSERT INTO items VALUES (?, ?)", [item, units])


def set_aside(db: Any, scope: Scope) -> None:
    """Move rows that were created long before T0 from ``orders`` to ``earlier``: an earlier sale has left them, and nobody could buy then.

    Not where all rows are so old: their times are wrong then. Nor rows of which a buyer of this sale was told. Nor in a run without a scope,
    which is judged as it always was.
    """
    old = f"created_ns < (SELECT t0_ns FROM sale) - {EARLIER_NS}"
    some = f"{scope.recorded} AND (SELECT max(created_ns) FROM orders) >= (SELECT t0_ns FROM sale)"
    db.execute(f"CREATE TEMP TABLE earlier AS FROM orders WHERE {old} AND {some}")
    if db.execute("SELECT count(*) FROM earlier").fetchone()[0]:
        db.execute(
            "DELETE FROM earlier e WHERE EXISTS (FROM ops o WHERE o.number = e.number AND coalesce(e.buyer, o.buyer) = o.buyer)"
        )
        same = "e.number IS NOT DISTINCT FROM orders.number AND e.buyer IS NOT DISTINCT FROM orders.buyer"
        db.execute(f"DELETE FROM orders WHERE {old} AND EXISTS (FROM earlier e WHERE {same})")


def open_bare_wins(db: Any, path: Path) -> None:
    """Create ``bare_wins``: the statuses of HTTP that the manifest `path` takes for won, whatever the body says. Empty without the file."""
    db.execute("CREATE TEMP TABLE bare_wins (status INTEGER)")
    try:
        outcomes = tomllib.loads(path.read_text(encoding="utf-8-sig"))["http"]["buy"]["outcomes"]
        rules = (
            [{"status": status, "is": outcome} for status, outcome in outcomes.items()]
            if isinstance(outcomes, dict)
            else outcomes
        )
        bare = [
            int(rule["status"]) for rule in rules if rule["is"] == "won" and rule.keys() <= {"status", "is", "number"}
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return  # what a manifest says is for `loadtest.manifest` to check
    for status in bare:
        db.execute("INSERT INTO bare_wins VALUES (?)", [status])
