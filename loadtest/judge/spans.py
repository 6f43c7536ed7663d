"""Spans: SQL for the busiest seconds of a run, and for the time during which a backlog stood.

Queries only; `loadtest.judge.tables.open_tables` makes tables of `ROW_SECONDS` and `BACKLOGS`.
"""


def windows(times: str) -> str:
    """A query for the one-second windows that begin at each event of `times`, a query of one column `t` in ns.

    Its rows are (began_ns, n), n events from `began_ns` until one second later. Exact: an ASOF join finds each window's last event.
    """
    return f"""
        SELECT a.t AS began_ns, b.upto - a.upto + a.n AS n FROM (
            SELECT t, n, sum(n) OVER (ORDER BY t)::BIGINT AS upto
            FROM (SELECT t, count(*) AS n FROM ({times}) WHERE t IS NOT NULL GROUP BY t)
        ) a ASOF JOIN (
            SELECT t, sum(n) OVER (ORDER BY t)::BIGINT AS upto
            FROM (SELECT t, count(*) AS n FROM ({times}) WHERE t IS NOT NULL GROUP BY t)
        ) b ON a.t + 999999999 >= b.t
    """


def busiest(times: str) -> str:
    """A query for the one-second window with the most events of `times`: one row of `windows`, or none where there are no events."""
    return f"{windows(times)} ORDER BY n DESC, began_ns LIMIT 1"


ROW_SECONDS = windows("SELECT created_ns AS t FROM orders")

# A backlog stands while messages are ready that no worker has taken, or while workers hold at least one second's work: with less,
# one of several workers may be idle. Left out are the time of a fault and the second after it, and the second after a change of the
# limit, so that one limit was in force throughout each span. Without readings of the broker a backlog stands from the last promise
# (or one second after the last change) to the last row.
# Rows that come in bunches must not look steady: `span_s`, by which the rate is divided, is at least the backlog less one second.
BACKLOGS = """
    WITH readings AS (
        SELECT time_ns, last_value(ready IGNORE NULLS) OVER t AS ready, last_value(unacked IGNORE NULLS) OVER t AS unacked
        FROM (
            SELECT time_ns, max(value) FILTER (WHERE metric = 'ready') AS ready,
                max(value) FILTER (WHERE metric = 'unacked') AS unacked
            FROM samples WHERE probe = 'broker' AND metric IN ('ready', 'unacked') GROUP BY time_ns
        ) WINDOW t AS (ORDER BY time_ns)
    ), troubled AS (
        SELECT coalesce(observed_ns, intended_ns) AS from_ns, coalesce(recovered_ns + 1000000000, 9223372036854775807) AS to_ns FROM faults
        UNION ALL SELECT from_ns, from_ns + 1000000000 FROM limits WHERE from_ns > 0
    ), standing AS (
        SELECT time_ns, time_ns - lag(time_ns) OVER (ORDER BY time_ns) AS gap_ns,
            coalesce(ready > 0 OR unacked >= allowed_per_s, false) AND NOT EXISTS (FROM troubled t WHERE time_ns BETWEEN t.from_ns AND t.to_ns)
                AS stands
        FROM readings ASOF JOIN limits ON time_ns >= from_ns, sale WHERE time_ns >= t0_ns
    ), backlogs AS (
        SELECT min(time_ns) AS began_ns, max(time_ns) AS ended_ns FROM (
            SELECT *, count(*) FILTER (WHERE NOT stands OR gap_ns > 1e9) OVER (ORDER BY time_ns) AS episode FROM standing
        ) WHERE stands GROUP BY episode
        UNION ALL
        SELECT (SELECT greatest(max(told_ns), (SELECT max(from_ns) + 1000000000 FROM limits)) FROM promises HAVING count(*) > 0), max(created_ns) FROM orders
        WHERE NOT EXISTS (FROM readings) HAVING count(*) > 0
    ), counted AS (
        SELECT began_ns, ended_ns, count(created_ns) AS n, (max(created_ns) - min(created_ns)) / 1e9 AS own_s
        FROM backlogs LEFT JOIN orders ON created_ns BETWEEN began_ns AND ended_ns
        WHERE ended_ns - began_ns >= 2e9 GROUP BY ALL
    )
    SELECT began_ns, ended_ns, greatest(n - 1, 0) AS steps,
        greatest(coalesce(own_s, 0), (ended_ns - began_ns) / 1e9 - 1) AS span_s, steps / span_s AS per_s,
        allowed_per_s
    FROM counted ASOF JOIN limits ON began_ns >= from_ns WHERE allowed_per_s IS NOT NULL
"""
