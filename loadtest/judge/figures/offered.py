"""Offered load: what the generator meant to send, what it sent, and whether it was itself the bottleneck."""

from dataclasses import dataclass

from loadtest.judge.spans import busiest
from loadtest.judge.tables import Tables

SENT = busiest("SELECT start_ns AS t FROM ops, sale WHERE start_ns >= t0_ns")
# What was due by the plan, sent or not, and the retries, which nobody could plan. Without a plan: what was sent, when it was due.
SCHEDULED_BUYS = busiest("""
    SELECT t0_ns + offset_ns AS t FROM plan, sale, range(clicks) WHERE EXISTS (FROM scheduled)
    UNION ALL SELECT scheduled_ns FROM asks, sale
        WHERE scheduled_ns >= t0_ns AND (kind = 'retry' OR NOT EXISTS (FROM scheduled))
""")
SENT_BUYS = busiest("SELECT start_ns AS t FROM asks, sale WHERE start_ns >= t0_ns")

# Cores that each generator process used in the second before each sample. It knows best itself, on whatever machine it is.
CORES = """
    WITH own AS (FROM samples WHERE probe = 'generator' AND ends_with(metric, '.cpu_s')), used AS (
        FROM own UNION ALL FROM samples
        WHERE probe = 'processes' AND metric = 'generator.cpu_s' AND NOT EXISTS (FROM own)
    )
    SELECT now.time_ns, now.metric AS process, (now.value - ago.value) / ((now.time_ns - ago.time_ns) / 1e9) AS cores
    FROM used now ASOF JOIN used ago ON now.metric = ago.metric AND now.time_ns - 1000000000 >= ago.time_ns
    WHERE now.time_ns >= (SELECT t0_ns FROM sale)
"""
CLOCKS_WITHIN_MS = "SELECT max(apart_ns) / 1e6 FROM apart WHERE one <> other"
LAG_P99_MS = "SELECT quantile_disc((start_ns - scheduled_ns) / 1e6, 0.99) FROM asks"
# Buyers of the herd are scheduled at T0 itself; arrivals of an open plan are not, nor are retries. Those that Locust spawns come one by
# one, of whom some may be due at T0 too: it is a herd where most are.
FIRE_SPREAD_MS = """
    SELECT CASE WHEN count(*) > 1 AND 2 * count(*) > (SELECT count(*) FROM asks WHERE kind = 'buy')
        THEN (max(start_ns) - min(start_ns)) / 1e6 END FROM asks, sale
    WHERE abs(scheduled_ns - t0_ns) < 1000000 AND NOT EXISTS (FROM scheduled)
"""
# An order of an open plan is on time within so many milliseconds.
ON_TIME_MS = 20
# Orders of an open plan: how many it has, how many were sent, and how many of those on time.
FIRED = f"""
    SELECT planned, count(asks.op_id) AS sent, count(*) FILTER (WHERE start_ns - scheduled_ns <= {ON_TIME_MS * 1_000_000}) AS on_time
    FROM (SELECT sum(clicks)::BIGINT AS planned FROM plan) LEFT JOIN asks ON kind = 'buy'
    WHERE EXISTS (FROM scheduled) GROUP BY planned
"""


@dataclass(frozen=True)
class Load:
    """Orders a second in the busiest second, how far they lay from their schedule, the busiest generator's share of one core, and
    within how many milliseconds the clocks of any two generators agree.

    Of open arrivals also: the share of the planned orders that were sent within ON_TIME_MS of their time, and how many were never sent,
    because no connection was free. `retries` come on top of what was planned.
    """

    offered_per_s: float | None = None
    achieved_per_s: float | None = None
    fire_spread_ms: float | None = None
    schedule_lag_p99_ms: float | None = None
    generator_cpu: float | None = None
    on_time: float | None = None
    dropped: int | None = None
    retries: int | None = None
    clocks_within_ms: float | None = None


def measure_load(tables: Tables) -> Load:
    """The load as it was offered."""
    return Load(
        tables.figure(f"SELECT max(n) FROM ({SCHEDULED_BUYS})"),
        tables.figure(f"SELECT max(n) FROM ({SENT_BUYS})"),
        tables.figure(FIRE_SPREAD_MS),
        tables.figure(LAG_P99_MS),
        tables.figure(f"SELECT max(cores) FROM ({CORES})"),
        tables.figure(f"SELECT max(on_time / planned) FROM ({FIRED})"),
        tables.row(f"SELECT max(greatest(planned - sent, 0)) FROM ({FIRED})")[0],
        tables.row("SELECT count(*) FROM asks WHERE kind = 'retry'")[0],
        tables.figure(CLOCKS_WITHIN_MS),
    )
