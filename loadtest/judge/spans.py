"""Spans: SQL for the busiest seconds of a run, and for the time during which a backlog stood.

Queries only; `loadtest.judge.tables.open_tables` makes tables of `ROW_SECONDS`, `WATCHED`, `BACKLOGS` and `UNSEEN`.
"""


def windows(times: str, of_each: str = "count(*)") -> str:
    """A query for the one-second windows that begin at each event of `times`, a query with a column `t` in ns.

    Its rows are (began_ns, n), n events from `began_ns` until one second later. Exact: an ASOF join finds each window's last event.
    `of_each` is how many events the rows of `times` with one `t` stand for.
    """
    moments = f"SELECT t, {of_each}::BIGINT AS n FROM ({times}) WHERE t IS NOT NULL GROUP BY t"
    return f"""
        SELECT a.t AS began_ns, b.upto - a.upto + a.n AS n FROM (
            SELECT t, n, sum(n) OVER (ORDER BY t)::BIGINT AS upto FROM ({moments})
        ) a ASOF JOIN (
            SELECT t, sum(n) OVER (ORDER BY t)::BIGINT AS upto FROM ({moments})
        ) b ON a.t + 999999999 >= b.t
    """


def busiest(times: str, of_each: str = "count(*)") -> str:
    """A query for the one-second window with the most events of `times`: one row of `windows`, or none where there are no events."""
    return f"{windows(times, of_each)} ORDER BY n DESC, began_ns LIMIT 1"


ROW_SECONDS = windows("SELECT created_ns AS t FROM stored")

# Whether a backlog stood, moment by moment from T0 to the last row. It `stands` while messages are ready that no worker has taken, or
# while workers hold at least one second's work: with less, one of several workers may be idle. Where more than a second passes between
# two readings of the broker (`unread`), every tenth of it is looked at by what buyers were told: a backlog stands while at least one
# second's work was promised and is not written yet. With less one `may` stand as long as any order is on its way to its row. Without
# any reading one stands from the last promise (or one second after the last change of the limit) to the last row.
# Left out are the time of a fault and the second after it, and the second after a change of the limit, so that one limit was in force
# throughout each span.
WATCHED = """
    WITH readings AS (
        SELECT time_ns, last_value(ready IGNORE NULLS) OVER t AS ready, last_value(unacked IGNORE NULLS) OVER t AS unacked
        FROM (
            SELECT time_ns, max(value) FILTER (WHERE metric = 'ready') AS ready,
                max(value) FILTER (WHERE metric = 'unacked') AS unacked
            FROM samples WHERE probe = 'broker' AND metric IN ('ready', 'unacked') GROUP BY time_ns
        ) WINDOW t AS (ORDER BY time_ns)
    ), troubled AS (
        SELECT coalesce(injected_ns, observed_ns, intended_ns) AS from_ns, coalesce(recovered_ns + 1000000000, 9223372036854775807) AS to_ns FROM faults
        UNION ALL SELECT from_ns, from_ns + 1000000000 FROM limits WHERE from_ns > 0
    ), rows AS (
        SELECT max(created_ns) AS last_ns, (SELECT greatest(max(told_ns), (SELECT max(from_ns) + 1000000000 FROM limits)) FROM promises) AS told_ns,
            EXISTS (FROM readings) AS any_reading
        FROM orders
    ), gaps AS (
        SELECT from_ns, to_ns FROM (
            SELECT lag(time_ns) OVER (ORDER BY time_ns) AS from_ns, time_ns AS to_ns FROM (
                SELECT time_ns FROM readings, sale WHERE time_ns >= t0_ns UNION SELECT t0_ns FROM sale UNION SELECT last_ns FROM rows, sale WHERE last_ns > t0_ns
            )
        ) WHERE to_ns - from_ns > 1000000000 AND NOT EXISTS (FROM undated)
    ), unread AS (
        SELECT from_ns + tenth * 100000000 AS time_ns FROM gaps, range((to_ns - from_ns) // 100000000 + 1) t(tenth)
        UNION SELECT told_ns FROM rows, gaps WHERE told_ns BETWEEN from_ns AND to_ns
        UNION SELECT last_ns FROM rows, gaps WHERE last_ns = to_ns
    ), waiting AS (
        SELECT at_ns, sum(sum(promised)) OVER (ORDER BY at_ns) AS promised, sum(sum(asked)) OVER (ORDER BY at_ns) AS asked FROM (
            SELECT told_ns AS at_ns, 1 AS promised, 0 AS asked FROM ways WHERE told_ns < created_ns
            UNION ALL SELECT created_ns, -1, 0 FROM ways WHERE told_ns < created_ns
            UNION ALL SELECT coalesce(started_ns, t0_ns), 0, 1 FROM ways, sale WHERE coalesce(started_ns, t0_ns) < created_ns
            UNION ALL SELECT created_ns, 0, -1 FROM ways, sale WHERE coalesce(started_ns, t0_ns) < created_ns
        ) GROUP BY at_ns
    ), seen AS (
        SELECT time_ns, false AS unread, coalesce(ready > 0 OR unacked >= allowed_per_s, false) AS stands, stands AS may
        FROM readings ASOF JOIN limits ON time_ns >= from_ns, sale WHERE time_ns >= t0_ns
        UNION ALL
        SELECT time_ns, true, coalesce(promised >= allowed_per_s, false)
                OR (NOT any_reading AND coalesce(time_ns BETWEEN told_ns AND last_ns, false)) AS stands,
            stands OR coalesce(asked > 0, false)
        FROM unread ANTI JOIN readings USING (time_ns) ASOF JOIN limits ON time_ns >= from_ns ASOF LEFT JOIN waiting ON time_ns >= at_ns, rows
    )
    SELECT time_ns, unread, stands AND calm AS stands, may AND calm AS may
    FROM (SELECT *, NOT EXISTS (FROM troubled t WHERE time_ns BETWEEN t.from_ns AND t.to_ns) AS calm FROM seen)
"""

# Rows that come in bunches must not look steady: `span_s`, by which the rate is divided, is at least the backlog less one second, in
# which work may begin (less two rows' time, where that is longer). What follows the last row counts once it is longer than any pause
# before: with less, the next row may only have been due.
BACKLOGS = """
    WITH standing AS (
        SELECT min(time_ns) AS began_ns, max(time_ns) AS ended_ns FROM (
            SELECT *, count(*) FILTER (WHERE NOT stands OR gap_ns > 1e9) OVER (ORDER BY time_ns) AS episode
            FROM (SELECT *, time_ns - lag(time_ns) OVER (ORDER BY time_ns) AS gap_ns FROM watched)
        ) WHERE stands GROUP BY episode HAVING max(time_ns) - min(time_ns) >= 2e9
    ), written AS (
        SELECT began_ns, ended_ns, created_ns, created_ns - lag(created_ns) OVER (PARTITION BY began_ns ORDER BY created_ns) AS pause_ns
        FROM standing LEFT JOIN stored ON created_ns BETWEEN began_ns AND ended_ns
    ), counted AS (
        SELECT began_ns, ended_ns, count(created_ns) AS n, min(created_ns) AS first_ns, (max(created_ns) - min(created_ns)) / 1e9 AS own_s,
            max(pause_ns) / 1e9 AS pause_s
        FROM written GROUP BY ALL
    )
    SELECT began_ns, ended_ns, greatest(n - 1, 0) AS steps,
        greatest(coalesce(own_s, 0), (ended_ns - began_ns) / 1e9 - greatest(1, 2 / allowed_per_s),
            coalesce((ended_ns - first_ns) / 1e9 - greatest(pause_s, 1.5 / allowed_per_s, 0.1), 0)) AS span_s,
        coalesce(steps / nullif(span_s, 0), 0) AS per_s, allowed_per_s
    FROM counted ASOF JOIN limits ON began_ns >= from_ns WHERE allowed_per_s IS NOT NULL AND NOT EXISTS (FROM undated)
"""

# Where a backlog of two seconds may have stood unseen: for a second of that or more, no reading of the broker and no promise shows
# whether it did. Next to a backlog that was seen, and judged, two seconds on end must be unseen.
UNSEEN = """
    WITH stretches AS (
        SELECT run, min(time_ns) AS began_ns, max(time_ns) AS ended_ns, count(*) FILTER (WHERE open) * 100000000 AS open_ns
        FROM (
            SELECT *, count(*) FILTER (WHERE NOT may) OVER (ORDER BY time_ns) AS run, count(*) FILTER (WHERE NOT open) OVER (ORDER BY time_ns) AS stretch
            FROM (SELECT *, unread AND may AND NOT stands AS open FROM watched)
        ) WHERE may GROUP BY run, stretch
    ), runs AS (
        SELECT min(began_ns) AS began_ns, max(ended_ns) AS ended_ns, sum(open_ns) AS open_ns, max(open_ns) AS on_end_ns
        FROM stretches GROUP BY run HAVING sum(open_ns) >= 1e9
    )
    SELECT began_ns, ended_ns FROM runs r, sale
    WHERE ended_ns - began_ns >= 2e9 AND configured_per_s IS NOT NULL AND (on_end_ns >= 2e9 OR NOT EXISTS (
        FROM backlogs b WHERE b.began_ns <= r.ended_ns AND b.ended_ns >= r.began_ns))
"""
