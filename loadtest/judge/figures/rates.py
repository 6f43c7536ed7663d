"""Rates: how fast rows were written, by the time of creation that each row carries."""

from dataclasses import dataclass

from loadtest.judge.tables import Tables

CONFIGURED = """
    SELECT coalesce((SELECT sum(allowed_per_s * span_s) / sum(span_s) FROM backlogs WHERE EXISTS (FROM changes)), max(configured_per_s))
    FROM sale
"""


@dataclass(frozen=True)
class Rate:
    """Rows a second. None: no limiter, no rows, or no backlog.

    Args:
        configured_per_s: W·L, workers times the limit of each; where it was changed, its mean over the backlogs.
        steady_per_s: the mean rate over the backlogs.
        max_1s: rows in the busiest second.
        flatness: `max_1s` over the highest W·L in force during the sale; 1 is level.
    """

    configured_per_s: float | None = None
    steady_per_s: float | None = None
    max_1s: float | None = None
    flatness: float | None = None


def measure_rate(tables: Tables) -> Rate:
    """Compute the configured, the steady and the highest rate of a run."""
    configured = tables.figure(CONFIGURED)
    steady = tables.figure("SELECT sum(steps) / sum(span_s) FROM backlogs")
    most = tables.figure("SELECT max(n) FROM row_seconds")
    highest = tables.figure("SELECT max(allowed_per_s) FROM limits")
    return Rate(configured, steady, most, most / highest if most is not None and highest else None)


def measure_drain_s(tables: Tables) -> float | None:
    """Seconds from T0 to the last row; to the moment at which the sale was seen to have drained, without rows or where one has no time.

    None where the rows' times cannot be relied on (table `undated`).
    """
    return tables.figure(
        """SELECT (coalesce((SELECT max(created_ns) FROM orders HAVING count(*) = count(created_ns)), drained_ns) - t0_ns) / 1e9
           FROM sale WHERE NOT EXISTS (FROM undated) UNION ALL SELECT NULL LIMIT 1"""
    )
