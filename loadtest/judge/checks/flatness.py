"""Flatness: the limiter keeps the database at its rate, neither above nor far below.

W is the number of workers, L the limit of each in orders a second.

- Above: more than W·(L+burst) rows in any second (L+burst where all workers share one limit), with or without a backlog,
  because a limiter never allows it.
- Below: a rate under 0.9·W·L during a backlog of two seconds or longer, as `loadtest.judge.spans` finds it. Without one the
  lower bound was not tested: the finding says so and the verdict has a doubt, which does not make the run UNKNOWN. Where one
  may have stood that nobody saw, the run is UNKNOWN. The lower bound is not asked for while a fault goes on.
- Rows without a time, or with one that cannot be right (table `undated`), prove neither.

Where the limit was changed during the sale, each second is compared with the highest limit in force within one second of it,
and each backlog with the limit that was in force throughout.
"""

from loadtest.judge.checks import Check
from loadtest.judge.declared import TIMES

BURST = "burst * CASE limiter_kind WHEN 'shared' THEN 1 ELSE workers END"
# The most rows (`most`) that a second beginning at or after `from_ns`, up to the next `from_ns`, may hold.
ALLOWED = f"""
    SELECT p AS from_ns, max(allowed_per_s) + any_value({BURST}) AS most FROM (
        SELECT from_ns - 1000000000 AS p FROM limits UNION SELECT from_ns + 1000000000 FROM limits
    ), sale, limits l WHERE l.from_ns - 1000000000 <= p AND p < l.to_ns + 1000000000 GROUP BY p
"""
WORST = f"""
    SELECT began_ns, n, most FROM row_seconds ASOF JOIN ({ALLOWED}) ON began_ns >= from_ns ORDER BY n - most DESC, began_ns LIMIT 1
"""

CHECK = Check(
    name="flatness",
    sentence="the database was written at the limiter's rate: never above, and not below while a backlog stood",
    needs=("orders", "sale", "changes"),
    scope=(TIMES,),
    relies=("rows.created_at",),
    witnesses=f"""
        SELECT text FROM (
            SELECT began_ns, format('{{:,}} rows in the second from {{}}; at most {{:g}}', n, since_t0(began_ns), most) AS text
            FROM ({WORST}) WHERE n > most AND NOT EXISTS (FROM undated)
            UNION ALL
            SELECT began_ns, format('{{:.1f}}/s during the backlog of {{:.1f}} s from {{}}; at least {{:g}}/s', per_s,
                (ended_ns - began_ns) / 1e9, since_t0(began_ns), 0.9 * allowed_per_s)
            FROM backlogs WHERE per_s < 0.9 * allowed_per_s AND NOT EXISTS (FROM orders WHERE created_ns IS NULL)
        ) ORDER BY began_ns
    """,
    observed=f"""
        SELECT CASE WHEN bound IS NULL THEN 'no limiter' ELSE format('busiest second {{:,}}; {{}}',
                coalesce((SELECT max(n) FROM row_seconds), 0),
                coalesce((SELECT format('steady {{:.1f}}/s', sum(steps) / sum(span_s)) FROM backlogs), 'no backlog of 2 s'))
            END, coalesce(bound, '–')
        FROM (
            SELECT string_agg(format('≤ {{:g}} in any second, ≥ {{:g}}/s under a backlog', allowed_per_s + {BURST}, 0.9 * allowed_per_s)
                || CASE WHEN from_ns > 0 THEN ' from ' || since_t0(from_ns) ELSE '' END, '; ' ORDER BY from_ns) AS bound
            FROM limits, sale WHERE allowed_per_s IS NOT NULL
        )
    """,
    unsettled="""
        SELECT format('{:,} rows carry no time of creation', count(*)), 'select it as created_at in [final] rows of the manifest'
        FROM orders, sale WHERE created_ns IS NULL AND configured_per_s IS NOT NULL HAVING count(*) > 0
        UNION ALL
        SELECT text, remedy FROM undated, sale WHERE configured_per_s IS NOT NULL
        UNION ALL
        SELECT format('a backlog may have stood unseen for {:.1f} s from {}: the broker was not read', (ended_ns - began_ns) / 1e9, since_t0(began_ns)),
            CASE WHEN sampler_hz < 2 THEN format('raise sampler.hz, which was {:g}, to 2 at least', sampler_hz)
                WHEN sampler_hz IS NULL THEN 'raise sampler.hz to 2 at least, and see the log of the sampler in logs/'
                ELSE 'see the log of the sampler in logs/ for why it read nothing' END
        FROM (FROM unseen ORDER BY ended_ns - began_ns DESC, began_ns LIMIT 1), sale
    """,
)
