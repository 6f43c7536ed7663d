"""Doubts: why a run may prove less than it seems to. Each says what to change.

A doubt that *decides* makes a run UNKNOWN unless a check found it INVALID; the others are only reported.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

from loadtest.judge.checks import Doubt, lack
from loadtest.judge.figures.offered import CLOCKS_WITHIN_MS, CORES, FIRED, LAG_P99_MS, ON_TIME_MS
from loadtest.judge.tables import Tables
from loadtest.record.shards import find_shards

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rule:
    """A query of rows (text, remedy), one for each doubt. Skipped where a table that it `needs` is missing."""

    needs: tuple[str, ...]
    query: str
    decides: bool = True


NO_WIN = Rule(
    ("ops",),
    """SELECT 'nobody won', 'a sale without a success proves nothing: see the errors in the history and logs/'
       WHERE NOT EXISTS (FROM promises)""",
)
NO_SOLD_OUT = Rule(
    ("ops",),
    """SELECT 'nobody was told sold-out', 'raise buyers or lower stock, so that the sale reaches its end'
       WHERE NOT EXISTS (FROM asks WHERE outcome = 'sold_out')""",
)
LOW_DEMAND = Rule(
    ("ops", "sale"),
    """SELECT format('{:,} buyers asked for a stock of {:,}: demand under 2 × stock', d.buyers, stock),
              'raise buyers to twice the stock at least, or lower stock'
       FROM demand d, sale WHERE d.buyers < 2 * stock""",
)
OTHER_STOCK = Rule(
    ("seeded", "sale"),
    """SELECT format('{:,} numbers were seeded for a stock of {:,}', n, stock), 'see [prepare], and [final] seeded in the manifest'
       FROM sale, (SELECT count(DISTINCT number) AS n FROM seeded) WHERE n <> stock""",
)
# |A| ≤ |R| ≤ |A| + |I| follows from the checks: where they all passed and it does not hold, a check has a bug.
UNBALANCED = Rule(
    ("ops", "orders", "rejected", "sale"),
    """SELECT format('counts do not balance: {:,} standing promises, {:,} rows, {:,} unanswered', a, r, i), 'report it as a bug'
       FROM sale, (SELECT (SELECT count(*) FROM promises WHERE NOT withdrawn) AS a, (SELECT count(*) FROM orders) AS r,
           (SELECT coalesce(sum(rows), 0)::BIGINT FROM explained) AS i, (SELECT count(*) FROM promises WHERE withdrawn) AS w)
       WHERE drained AND NOT r BETWEEN a AND a + i + w""",
)
# Orders that a killed generator had begun have no times. They count as on time: nothing shows that they were late.
OFF_PLAN = Rule(
    ("ops", "sale"),
    """SELECT format('the generator sent {:,} of {:,} planned orders within a second of their time ({:.0f} %)',
                  n, planned, 100 * n / planned),
              'use fewer buyers, a faster machine, or more generators; for open arrivals, more arrivals.connections'
       FROM sale, (SELECT count(*) AS n FROM asks WHERE kind = 'buy' AND coalesce(start_ns - scheduled_ns, 0) <= 1000000000)
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
UNOBSERVED_FAULT = Rule(
    ("faults",),
    """SELECT format('fault {} was never observed to take effect', coalesce(fault, 'without a name')),
              'see logs/; choose a target that runs, or a longer fault'
       FROM faults WHERE observed_ns IS NULL""",
)
IDLE_FAULT = Rule(
    ("faults", "ops"),
    """SELECT format('no operation was in flight under fault {}', coalesce(fault, 'without a name')),
              'inject it while buyers are waiting for answers, such as at T0'
       FROM faults f WHERE observed_ns IS NOT NULL AND NOT EXISTS (
           FROM ops o WHERE o.start_ns <= coalesce(f.recovered_ns, f.healed_ns, 9223372036854775807)
               AND coalesce(o.end_ns, 9223372036854775807) >= f.observed_ns)""",
)
SLOW_DRAIN = Rule(
    ("ops", "orders", "sale"),
    """SELECT format('the drain took {:.1f} s; {:,} rows at {:g}/s should take {:.1f} s', took_s, n, configured_per_s, expected_s),
              'see whether the workers were busy, and whether the limiter reaches its rate (flatness)'
       FROM (
           SELECT count(*) AS n, (max(created_ns) - any_value(t0_ns)) / 1e9 AS took_s, any_value(configured_per_s) AS configured_per_s,
               greatest(n / any_value(configured_per_s),
                   (SELECT max(told_ns) - any_value(t0_ns) FROM promises, sale) / 1e9) AS expected_s
           FROM orders, sale
       ) WHERE configured_per_s IS NOT NULL AND took_s > 1.2 * expected_s AND took_s > expected_s + 1 AND NOT EXISTS (FROM changes)""",
    decides=False,
)
UNANSWERED_LIMIT = Rule(
    ("changes", "sale"),
    """SELECT format('{:,} of {:,} workers said that they took the limit of {:g}/s', answered, workers, rate_per_s),
              'change it while every worker runs, and see logs/ for why one did not answer'
       FROM changes, sale WHERE answered < workers""",
)
UNTESTED_LIMITER = Rule(
    ("orders", "sale"),
    """SELECT 'no backlog stood for 2 s: whether the limiter holds its rate was not tested',
              format('raise stock above {:g}, or lower limiter.rate_per_s', 3 * configured_per_s)
       FROM sale WHERE configured_per_s IS NOT NULL AND NOT EXISTS (FROM backlogs)""",
    decides=False,
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
    """SELECT format('the clock of generator {} moved by {:.0f} ms during the sale: its times are wrong by as much', generator, moved_ms),
              'let the clocks be slewed, not stepped, during a run'
       FROM (
           SELECT generator, max(abs(o.value - offset_ms) - uncertainty_ms - u.value) AS beyond_ms, max(abs(o.value - offset_ms)) AS moved_ms
           FROM (SELECT *, offset_ns / 1e6 AS offset_ms, coalesce(uncertainty_ns, 0) / 1e6 AS uncertainty_ms FROM generators) g
           JOIN samples o ON o.probe = 'generator' AND o.metric = generator || '.clock_offset_ms'
               AND o.time_ns > (SELECT t0_ns FROM sale)
           JOIN samples u ON u.probe = 'generator' AND u.metric = generator || '.clock_uncertainty_ms' AND u.time_ns = o.time_ns
           GROUP BY generator
       ) WHERE beyond_ms > 5""",
    decides=False,
)

NO_SAMPLES = Rule(
    (),
    """SELECT 'there are no samples: backlog, commits and the generator''s CPU were not seen', 'see logs/ for why the sampler failed'
       WHERE NOT EXISTS (FROM samples)""",
    decides=False,
)

RULES = (
    NO_WIN, NO_SOLD_OUT, LOW_DEMAND, OTHER_STOCK, OFF_PLAN, UNPUNCTUAL, CPU_BOUND, UNOBSERVED_FAULT, IDLE_FAULT,
    SLOW_DRAIN, UNANSWERED_LIMIT, UNTESTED_LIMITER, NO_SAMPLES, DEAD_GENERATOR, LOOSE_CLOCKS, MOVED_CLOCK,
)  # fmt: skip


def find_doubts(tables: Tables, *, deciding: bool = True) -> list[Doubt]:
    """The doubts about how the run was made: with `deciding` those that can make it UNKNOWN, else the others."""
    found = []
    for rule in RULES:
        if rule.decides == deciding:
            found += _ask(rule, tables)
    return found


def imbalance(tables: Tables) -> list[Doubt]:
    """A doubt if promises, rows and unanswered orders do not add up. Meaningful only where no check found a witness."""
    return _ask(UNBALANCED, tables)


def _ask(rule: Rule, tables: Tables) -> list[Doubt]:
    if set(rule.needs) & set(tables.missing):
        return []
    try:
        return [Doubt(text, remedy) for text, remedy in tables.rows(rule.query)]
    except Exception as error:
        log.exception("a doubt crashed")
        return [Doubt(f"a doubt crashed: {error}", "report it with this run directory; it is a bug")]


def lacks(tables: Tables) -> list[Doubt]:
    """A doubt for each missing table but ``samples``: a run can be judged without them, and `NO_SAMPLES` reports it."""
    return [lack(name, tables.missing[name]) for name in tables.missing if name != "samples"]


def killed_generators(run_dir: Path) -> list[Doubt]:
    """A doubt for each shard of the history that was never closed. Its open orders count as `unknown`, which is legal but reported."""
    killed = [shard for shard in find_shards(run_dir / "history") if shard.killed]
    return [
        Doubt(
            f"{shard.path.name} was not closed by its generator: {shard.nul_bytes:,} NUL bytes"
            f"{' and a torn line' if shard.torn_line else ''} at its end were left out",
            "see logs/ for why the generator died",
        )
        for shard in killed
    ]
