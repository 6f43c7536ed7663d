"""Counts: the verdict in whole units. None where a table is missing: 0 means that 0 were found, never that nothing was read."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from loadtest.judge.tables import Tables


@dataclass(frozen=True)
class Counts:
    """Units seeded, promised and sold, and units affected by each kind of defect. The field names are metrics of thresholds.

    `leaked`: numbers that are in no place; `misplaced`: numbers that are in two, such as sold and still for sale.
    """

    stock: int | None = None
    promised: int | None = None
    sold: int | None = None
    oversold: int | None = None
    double_promised: int | None = None
    duplicated: int | None = None
    lost: int | None = None
    leaked: int | None = None
    misplaced: int | None = None
    phantom: int | None = None
    unresolved: int | None = None
    near_misses: int | None = None


COUNTS = tuple(field.name for field in fields(Counts))

# An unanswered order is resolved when its buyer has a row. Without a row it is unresolved, and legal: it may never have arrived.
UNRESOLVED = """
    SELECT (SELECT count(*) FROM asks ANTI JOIN orders USING (buyer) WHERE outcome = 'unknown')
        + (SELECT coalesce(sum(missing), 0)::BIGINT FROM generators)
"""
# None while a number that is nowhere may be held by a worker.
LEAKED = """
    SELECT CASE WHEN n = 0 OR NOT coalesce((SELECT cut_short OR veiled FROM clock), false) THEN n END
    FROM (SELECT count(*) AS n FROM placed WHERE places = 0)
"""
LEDGER = ("seeded", "tokens", "claims", "queue", "orders", "rejected")
ANSWERED = "('won', 'already_bought', 'sold_out', 'throttled')"


def count(tables: Tables, units: Mapping[str, int | None]) -> Counts:
    """The counts of a run. `units` maps the name of each check to the units that it found; None: not known."""
    return Counts(
        stock=_count(tables, "SELECT count(DISTINCT number) FROM seeded", "seeded"),
        promised=_count(tables, "SELECT count(*) FROM promises", "ops"),
        sold=_count(tables, "SELECT count(*) FROM orders", "orders"),
        oversold=units.get("oversell"),
        double_promised=units.get("double_promise"),
        duplicated=units.get("duplicate"),
        lost=units.get("lost"),
        leaked=_count(tables, LEAKED, *LEDGER),
        misplaced=_count(tables, "SELECT count(*) FROM placed WHERE places > 1", *LEDGER),
        phantom=units.get("phantom"),
        unresolved=_count(tables, UNRESOLVED, "ops", "orders"),
        near_misses=_count(tables, "SELECT near_misses FROM sale", "sale"),
    )


def count_unanswered(tables: Tables) -> int | None:
    """Orders with outcome `unknown`, plus planned orders missing from the history of a generator that died. None without history."""
    sql = "SELECT count(*) FROM asks WHERE outcome = 'unknown'"
    return _count(tables, f"SELECT ({sql}) + (SELECT coalesce(sum(missing), 0)::BIGINT FROM generators)", "ops")


def _count(tables: Tables, sql: str, *needs: str) -> int | None:
    if any(name in tables.missing for name in needs):
        return None
    found: int | None = tables.row(sql)[0]
    return found
