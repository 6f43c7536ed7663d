"""Counts: the verdict in whole units. None where a read is missing: a zero is only ever a zero that was seen."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from loadtest.judge.tables import Tables


@dataclass(frozen=True)
class Counts:
    """Units, one figure for each way in which a sale can go wrong, beside what was there to sell and what was sold."""

    stock: int | None = None
    promised: int | None = None
    sold: int | None = None
    oversold: int | None = None
    double_promised: int | None = None
    duplicated: int | None = None
    lost: int | None = None
    leaked: int | None = None
    phantom: int | None = None
    unresolved: int | None = None
    near_misses: int | None = None


COUNTS = tuple(field.name for field in fields(Counts))

# An order without an answer is resolved when its buyer has a row; without one it may, legally, never have arrived.
UNRESOLVED = """
    SELECT (SELECT count(*) FROM asks ANTI JOIN orders USING (buyer) WHERE outcome = 'unknown')
        + (SELECT coalesce(sum(missing), 0)::BIGINT FROM generators)
"""
ANSWERED = "('won', 'already_bought', 'sold_out', 'throttled')"


def count(tables: Tables, units: Mapping[str, int | None]) -> Counts:
    """The counts of a run. `units` says for each check how many units it found."""
    return Counts(
        stock=_count(tables, "SELECT count(DISTINCT number) FROM seeded", "seeded"),
        promised=_count(tables, "SELECT count(*) FROM promises", "ops"),
        sold=_count(tables, "SELECT count(*) FROM orders", "orders"),
        oversold=units.get("oversell"),
        double_promised=units.get("double_promise"),
        duplicated=units.get("duplicate"),
        lost=units.get("lost"),
        leaked=units.get("leaked"),
        phantom=units.get("phantom"),
        unresolved=_count(tables, UNRESOLVED, "ops", "orders"),
        near_misses=_count(tables, "SELECT near_misses FROM sale", "sale"),
    )


def count_unanswered(tables: Tables) -> int | None:
    """Orders whose fate no answer told, with those that a generator took along when it died."""
    sql = "SELECT count(*) FROM asks WHERE outcome = 'unknown'"
    return _count(tables, f"SELECT ({sql}) + (SELECT coalesce(sum(missing), 0)::BIGINT FROM generators)", "ops")


def _count(tables: Tables, sql: str, *needs: str) -> int | None:
    if any(name in tables.missing for name in needs):
        return None
    found: int | None = tables.row(sql)[0]
    return found
