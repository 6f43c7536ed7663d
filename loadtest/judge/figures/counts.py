"""Counts: the verdict in whole units. None where a table is missing: 0 means that 0 were found, never that nothing was read."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from loadtest.judge.checks.leaked import BALANCE
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
ANSWERED = "('won', 'accepted', 'already_bought', 'sold_out', 'throttled')"


def count(tables: Tables, units: Mapping[str, int | None]) -> Counts:
    """The counts of a run. `units` maps the name of each check to the units that it found; None: not known."""
    return Counts(
        stock=_stock(tables),
        promised=_count(tables, "SELECT count(*) FROM promises", "ops"),
        sold=_count(tables, "SELECT coalesce(sum(units), 0)::BIGINT FROM stored", "orders"),
        oversold=units.get("oversell"),
        double_promised=units.get("double_promise"),
        duplicated=units.get("duplicate"),
        lost=units.get("lost"),
        leaked=_ledger(tables, units.get("leaked"), LEAKED, "if(drained, nowhere, NULL)"),
        misplaced=_ledger(
            tables, units.get("leaked"), "SELECT count(*) FROM placed WHERE places > 1", "if(drained, twice, NULL)"
        ),
        phantom=units.get("phantom"),
        unresolved=_count(tables, UNRESOLVED, "ops", "orders") if tables.scope.has("rows.buyer") else None,
        near_misses=_count(tables, "SELECT near_misses FROM sale", "sale"),
    )


def _stock(tables: Tables) -> int | None:
    """The units for sale; None where nobody knows."""
    if tables.scope.counted:
        return _count(tables, "SELECT units FROM offered", "sale")
    return _count(tables, "SELECT count(DISTINCT number) FROM seeded", "seeded") if tables.scope.has("seeded") else None


def _ledger(tables: Tables, units: int | None, numbered: str, counted: str) -> int | None:
    """Units in no place, or in two; None where the check found out nothing about its `units`."""
    if units is None:
        return None
    if tables.scope.counted:
        return _count(tables, f"SELECT {counted} FROM ({BALANCE})", *LEDGER, "left", "sale")
    return _count(tables, numbered, *LEDGER)


def count_unanswered(tables: Tables) -> int | None:
    """Orders with outcome `unknown`, plus planned orders missing from the history of a generator that died. None without history."""
    sql = "SELECT count(*) FROM asks WHERE outcome = 'unknown'"
    return _count(tables, f"SELECT ({sql}) + (SELECT coalesce(sum(missing), 0)::BIGINT FROM generators)", "ops")


def _count(tables: Tables, sql: str, *needs: str) -> int | None:
    if any(name in tables.missing for name in needs):
        return None
    found: int | None = tables.row(sql)[0]
    return found
