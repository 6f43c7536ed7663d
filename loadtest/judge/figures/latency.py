"""Latency: how long buyers waited for an answer, from the time at which their order was scheduled.

Counted from the *scheduled* and not the sent time, so that a stalled generator does not hide the wait that it caused
(Tene, "How NOT to Measure Latency"). Percentiles are exact, by nearest rank: each is a wait that occurred.

An order that was never answered counts among all orders as at least as long as its buyer waited: a percentile over answers alone
would be the better, the more orders time out.
"""

from loadtest.judge.figures.counts import ANSWERED
from loadtest.judge.tables import Tables

QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "p999": 0.999}
OF_EACH = ("p50", "p99", "p999", "max")

WAITS = "SELECT outcome, (end_ns - scheduled_ns) / 1e6 AS ms FROM asks WHERE end_ns IS NOT NULL"
# Of an order that was begun and has no times, as where its generator was killed, only this is known: it was due at T0 at the earliest,
# and waited until the last thing that the history tells of, or until its time-out.
ALL_WAITS = f"""
    SELECT coalesce(end_ns - scheduled_ns, least(timeout_ns, greatest(0, last_ns - coalesce(scheduled_ns, t0_ns)))) / 1e6 AS ms
    FROM asks, (SELECT max(end_ns) AS last_ns FROM ops), (SELECT max(t0_ns) AS t0_ns FROM sale), (SELECT max(timeout_ns) AS timeout_ns FROM patience)
    WHERE outcome IN {ANSWERED} OR outcome = 'unknown'
"""


def measure_latency(tables: Tables) -> dict[str, dict[str, float]]:
    """Milliseconds by outcome of the orders placed: p50, p99, p999 and max of each outcome that occurred."""
    points = [QUANTILES[name] for name in OF_EACH[:-1]]
    found = tables.rows(
        f"SELECT outcome, quantile_disc(ms, {points}), max(ms) FROM ({WAITS}) GROUP BY outcome ORDER BY outcome"
    )
    return {outcome: dict(zip(OF_EACH, [*waits, most], strict=True)) for outcome, waits, most in found}


def waited_ms(tables: Tables, point: str) -> float | None:
    """Milliseconds of one percentile (a key of `QUANTILES`, or ``max``) over all orders, answered or not."""
    return tables.figure(f"SELECT {_figure(point)} FROM ({ALL_WAITS})")


def answered_ms(tables: Tables, point: str) -> float | None:
    """Milliseconds of one percentile (a key of `QUANTILES`, or ``max``) over the orders that the shop answered, and no others."""
    return tables.figure(f"SELECT {_figure(point)} FROM ({WAITS} AND outcome IN {ANSWERED})")


def _figure(point: str) -> str:
    return "max(ms)" if point == "max" else f"quantile_disc(ms, {QUANTILES[point]})"
