"""Rates: how fast rows were written, on the rows' own clock."""

from dataclasses import dataclass

from loadtest.judge.tables import Tables

CONFIGURED = """
    SELECT coalesce((SELECT sum(allowed_per_s * span_s) / sum(span_s) FROM backlogs WHERE EXISTS (FROM changes)), max(configured_per_s))
    FROM sale
"""


@dataclass(frozen=True)
class Rate:
    """Rows a second. `configured_per_s` is W·L; where it was changed, its mean over the backlogs, as `steady_per_s` is. `flatness` is the busiest second over W·L, the highest that held: 1 is level. None: no limiter, no rows, or no backlog."""

    configured_per_s: float | None = None
    steady_per_s: float | None = None
    max_1s: float | None = None
    flatness: float | None = None


def measure_rate(tables: Tables) -> Rate:
    """The rate at which rows were written."""
    configured = tables.figure(CONFIGURED)
    steady = tables.figure("SELECT sum(steps) / sum(span_s) FROM backlogs")
    most = tables.figure("SELECT max(n) FROM row_seconds")
    highest = tables.figure("SELECT max(allowed_per_s) FROM limits")
    return Rate(configured, steady, most, most / highest if most is not None and highest else None)


def measure_drain_s(tables: Tables) -> float | None:
    """Seconds from T0 to the last row; to the standstill where no row came."""
    return tables.figure(
        "SELECT (coalesce((SELECT max(created_ns) FROM orders), drained_ns) - t0_ns) / 1e9 FROM sale UNION ALL SELECT NULL LIMIT 1"
    )
