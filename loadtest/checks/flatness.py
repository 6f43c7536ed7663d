"""Flatness: the limiter keeps the database at its rate, neither above nor far below.

Above: more than W·(L+burst) rows in any second, whether or not a backlog stood, because a limiter allows it never. Below: less
than 0.9·W·L while a backlog stood for two seconds or longer, as `loadtest.rates` finds it. Where none stood that long
the lower bound was not tested; the finding says so, and the verdict has a doubt, but it is no reason to call the run unknown.
While a fault goes on the lower bound rests.
"""

from loadtest.checks import Check
from loadtest.rates import BACKLOGS, BUSIEST_ROWS

BOUNDS = "SELECT configured_per_s + workers * burst AS most, 0.9 * configured_per_s AS least FROM sale"

CHECK = Check(
    name="flatness",
    sentence="the database was written at the limiter's rate: never above, and not below while a backlog stood",
    needs=("orders", "sale"),
    witnesses=f"""
        SELECT text FROM (
            SELECT began_ns, format('{{:,}} rows in the second from {{}}; at most {{:g}}', n, since_t0(began_ns), most) AS text
            FROM ({BUSIEST_ROWS}), ({BOUNDS}) WHERE n > most
            UNION ALL
            SELECT began_ns, format('{{:.1f}}/s during the backlog of {{:.1f}} s from {{}}; at least {{:g}}/s', per_s,
                (ended_ns - began_ns) / 1e9, since_t0(began_ns), least)
            FROM ({BACKLOGS}), ({BOUNDS}) WHERE per_s < least
        ) ORDER BY began_ns
    """,
    observed=f"""
        SELECT CASE WHEN most IS NULL THEN 'no limiter' ELSE format('busiest second {{:,}}; {{}}',
                coalesce((SELECT n FROM ({BUSIEST_ROWS})), 0),
                coalesce((SELECT format('steady {{:.1f}}/s', sum(steps) / sum(span_s)) FROM ({BACKLOGS})), 'no backlog of 2 s'))
            END, coalesce(format('≤ {{:g}} in any second, ≥ {{:g}}/s under a backlog', most, least), '–')
        FROM ({BOUNDS})
    """,
    unsettled="""
        SELECT format('{:,} rows carry no time of creation', count(*)), 'select it as created_at in [final] rows of the manifest'
        FROM orders, sale WHERE created_ns IS NULL AND configured_per_s IS NOT NULL HAVING count(*) > 0
    """,
)
