"""Latency: how long buyers waited for an answer, from the time at which their order was scheduled.

Counted from the *scheduled* and not the sent time, so that a stalled generator does not hide the wait that it caused
(Tene, "How NOT to Measure Latency"). Percentiles are exact, by nearest rank: each is a wait that occurred.
"""

from loadtest.judge.figures.counts import ANSWERED
from loadtest.judge.tables import Tables

QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "p999": 0.999}
OF_EACH = ("p50", "p99", "p999", "max")

WAITS = "SELECT outcome, (end_ns - scheduled_ns) / 1e6 AS ms FROM asks WHERE end_ns IS NOT NULL"


def measure_latency(tables: Tables) -> dict[str, dict[str, float]]:
    """Milliseconds by outcome of the orders placed: p50, p99, p999 and max of each outcome that occurred."""
    points = [QUANTILES[name] for name in OF_EACH[:-1]]
    found = tables.rows(
        f"SELECT outcome, quantile_disc(ms, {points}), max(ms) FROM ({WAITS}) GROUP BY outcome ORDER BY outcome"
    )
    return {outcome: dict(zip(OF_EACH, [*waits, most], strict=True)) for outcome, waits, most in found}


def answered_ms(tables: Tables, point: str) -> float | None:
    """Milliseconds of one percentile (a key of `QUANTILES`, or ``max``) over all orders that the shop answered."""
    figure = "max(ms)" if point == "max" else f"quantile_disc(ms, {QUANTILES[point]})"
    return tables.figure(f"SELECT {figure} FROM ({WAITS} AND outcome IN {ANSWERED})")
