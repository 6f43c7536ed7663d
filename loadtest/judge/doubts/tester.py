"""Doubts about the tester itself: whether the generators kept to their plan, lived, and had clocks to go by."""

from loadtest.judge.doubts import Rule
from loadtest.judge.figures.offered import CLOCKS_WITHIN_MS, CORES, FIRED, LAG_P99_MS, ON_TIME_MS

# Orders that a killed generator had begun have no times. They count as on time: nothing shows that they were late.
OFF_PLAN = Rule(
    ("ops", "sale"),
    """SELECT format('the generator sent {:,} of {:,} planned orders within a second of their time ({:.0f} %)',
                  n, planned, 100 * n / planned),
              'use fewer buyers, a faster machine, or more generators; for open arrivals, more arrivals.connections'
       FROM sale, (SELECT count(*) AS n FROM clicks WHERE kind = 'buy' AND coalesce(start_ns - scheduled_ns, 0) <= 1000000000)
       WHERE planned > 0 AND n < 0.95 * planned""",
)

UNPUNCTUAL = Rule(
    ("ops", "sale"),
    f"""SELECT format('the generator was the bottleneck: {{:.1f}} % of {{:,}} planned orders were sent within {ON_TIME_MS} ms of their time,'
                   || ' expected 99 %; {{:,}} were dropped', 100 * on_time / planned, planned, greatest(planned - sent, 0)),
               CASE WHEN sent < planned THEN 'raise arrivals.connections, or come more slowly'
                   ELSE 'come more slowly, or use a faster machine or more generators' END
        FROM ({FIRED}) WHERE on_time < 0.99 * planned""",
    decides=False,
)

# A busy core alone does no harm: orders must have gone out late as well.
CPU_BOUND = Rule(
    ("ops", "samples", "sale"),
    f"""SELECT format('the generator was CPU-bound: {{:.1f}} s on a full core, and orders went out late by {{:.0f}} ms (p99)',
                   busy_s, lag_ms), 'use fewer buyers, a faster machine, or more generators'
        FROM (
            SELECT max(busy_s) AS busy_s, ({LAG_P99_MS}) AS lag_ms FROM (
                SELECT (max(time_ns) - min(time_ns)) / 1e9 + 1 AS busy_s FROM (
                    SELECT *, count(*) FILTER (WHERE cores < 0.95) OVER (PARTITION BY process ORDER BY time_ns) AS episode FROM ({CORES})
                    WHERE time_ns <= (SELECT max(coalesce(end_ns, start_ns)) + 1000000000 FROM asks)
                ) WHERE cores >= 0.95 GROUP BY process, episode)
        ) WHERE busy_s >= 2 AND lag_ms > 250""",
)

DEAD_GENERATOR = Rule(
    ("ops",),
    """SELECT format('generator {} died before it had delivered its history: {:,} of its {:,} orders may have been sent or not, and '
                  'count as unknown', generator, missing, planned), 'see the log of that generator; run again'
       FROM generators WHERE NOT whole ORDER BY generator""",
    decides=False,
)

# 50 ms is half a bin of the report's time axis.
LOOSE_CLOCKS = Rule(
    ("ops",),
    f"""SELECT format('the clocks of the generators agree within {{:.0f}} ms only: they may have fired so far apart', within_ms),
               'use generators that are nearer to the master, in round-trip time'
        FROM ({CLOCKS_WITHIN_MS.replace("1e6", "1e6 AS within_ms")}) WHERE within_ms > 50""",
    decides=False,
)

MOVED_CLOCK = Rule(
    ("ops", "samples"),
    """SELECT format('the clock of generator {} moved by {:.0f} ms during the sale: its times are wrong by as much', generator, moved_ns / 1e6),
              'let the clocks be slewed, not stepped, during a run' FROM moved ORDER BY generator""",
    decides=False,
)
# While a fault goes on, and in the second after it, it is the fault that keeps orders from leaving.
HELD_BACK = """
    SELECT format('{:,} of {:,} orders never left: {}', n, orders, why), CASE
        WHEN why ILIKE '%assign requested address%' OR why ILIKE '%address already in use%'
            THEN 'the generator ran out of source ports: use more generators, or widen net.ipv4.ip_local_port_range'
        WHEN why ILIKE '%open files%' THEN 'raise the limit of open files (ulimit -n), or use more generators'
        WHEN why ILIKE '%refused%' THEN 'see whether the shop listens on the port of base_url in [http] of the manifest, and logs/'
        WHEN why ILIKE '%name%' OR why ILIKE '%resol%'
            THEN 'see whether the host name of base_url in [http] of the manifest resolves where the generator runs'
        WHEN why ILIKE '%no connection in%' OR why ILIKE '%timed out%' THEN 'the shop took no connection in time: see logs/, and its limit of connections'
        ELSE 'see the errors in the history, and base_url in [http] of the manifest' END
    FROM (
        SELECT count(*) AS n, count(*) FILTER (WHERE buyer NOT IN (SELECT buyer FROM asks)) AS unheard, mode(coalesce(error, 'no reason was recorded')) AS why,
            (SELECT count(*) FROM asks) + (SELECT count(*) FROM never_left) AS orders
        FROM never_left n WHERE NOT EXISTS (
            FROM faults f WHERE n.end_ns >= coalesce(injected_ns, intended_ns, observed_ns)
                AND n.start_ns <= coalesce(recovered_ns + 1000000000, 9223372036854775807))
    ) WHERE n > 0 AND """
# As many as a generator may fall short of its plan. A buyer who tried again and was heard has asked: only those never heard decide.
NEVER_LEFT = Rule(("ops",), HELD_BACK + "unheard > 0.05 * orders")
SOME_NEVER_LEFT = Rule(("ops",), HELD_BACK + "unheard <= 0.05 * orders", decides=False)

RULES: tuple[Rule, ...] = (
    NEVER_LEFT,
    SOME_NEVER_LEFT,
    OFF_PLAN,
    UNPUNCTUAL,
    CPU_BOUND,
    DEAD_GENERATOR,
    LOOSE_CLOCKS,
    MOVED_CLOCK,
)
