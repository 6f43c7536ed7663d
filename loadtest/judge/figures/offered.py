"""Offered load: what the generator meant to send, what it sent, and whether it was itself the bottleneck."""

from dataclasses import dataclass

from loadtest.judge.spans import busiest
from loadtest.judge.tables import Tables

# Requests of every kind, but for those that never left.
SENT = busiest("""
    SELECT start_ns AS t FROM ops, sale WHERE start_ns >= t0_ns AND NOT never_sent(outcome, http_status)
""")
# Every planned order at its due time, sent or not, and every retry, which no plan contains. Without a plan: every order that was
# sent, at its due time. What never left was offered to nobody, and is taken off.
SCHEDULED_BUYS = busiest(
    """
    SELECT t0_ns + offset_ns AS t, clicks AS orders FROM plan, sale WHERE EXISTS (FROM scheduled)
    UNION ALL SELECT scheduled_ns, 1 FROM asks, sale
        WHERE scheduled_ns >= t0_ns AND (kind = 'retry' OR NOT EXISTS (FROM scheduled))
    UNION ALL SELECT scheduled_ns, -1 FROM never_left, sale
        WHERE scheduled_ns >= t0_ns AND kind = 'buy' AND EXISTS (FROM scheduled)
    """,
    "sum(orders)",
)
SENT_BUYS = busiest("SELECT start_ns AS t FROM asks, sale WHERE start_ns >= t0_ns")

# Cores that each generator process used in the second before each sample. A generator reports its own CPU time, as it may run on
# another machine; the readings of the process probe are used only where none did.
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
LAG_P99_MS = (
    "SELECT quantile_disc((start_ns - scheduled_ns) / 1e6, 0.99) FROM clicks WHERE NOT never_sent(outcome, http_status)"
)
# In a herd every buyer is scheduled at T0; retries and arrivals of an open plan are not. Where Locust spawns buyers one by one, some
# may be due at T0 too, so it counts as a herd only where more than half of the buys are.
FIRE_SPREAD_MS = """
    SELECT CASE WHEN count(*) > 1 AND 2 * count(*) > (SELECT count(*) FROM asks WHERE kind = 'buy')
        THEN (max(start_ns) - min(start_ns)) / 1e6 END FROM clicks, sale
    WHERE NOT never_sent(outcome, http_status) AND abs(scheduled_ns - t0_ns) < 1000000 AND NOT EXISTS (FROM scheduled)
"""
# An order of an open plan is on time when it was sent at most this late.
ON_TIME_MS = 20
# Orders of an open plan: how many it has, how many the generator sent or tried to send, and how many of those on time.
FIRED = f"""
    SELECT planned, count(op_id) AS sent, count(*) FILTER (WHERE start_ns - scheduled_ns <= {ON_TIME_MS * 1_000_000}) AS on_time
    FROM (SELECT sum(clicks)::BIGINT AS planned FROM plan) LEFT JOIN clicks ON kind = 'buy'
    WHERE EXISTS (FROM scheduled) GROUP BY planned
"""


@dataclass(frozen=True)
class Load:
    """The load of a run, as planned and as sent. None: not measured.

    Args:
        offered_per_s: orders due in the busiest second.
        achieved_per_s: orders sent in the busiest second.
        fire_spread_ms: between the first and the last order of a herd.
        schedule_lag_p99_ms: how long after its scheduled time an order was sent.
        generator_cpu: cores that the busiest generator process used in its busiest second.
        on_time: the share of planned open arrivals that were sent within `ON_TIME_MS`.
        dropped: planned open arrivals never sent, because no connection was free.
        retries: orders sent again, on top of what was planned.
        clocks_within_ms: how far apart the clocks of any two generators may be.
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
    """Compute the offered and the achieved load of a run."""
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
