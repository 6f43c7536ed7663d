"""Told untrue: what a buyer was last told of an order is not what became of it.

- *Confirmed*, and there is no row of that number and buyer.
- *Rejected*, and there is one. It is no lie where that buyer asked again afterwards, and may have got the number anew. Where polls tell
  no number, only a buyer who asked once is a witness: of several orders, nobody knows which was rejected.
- Never told either, though the order had its row or its rejection, everything had drained, and the buyer went on asking. A status may
  lag: only a poll sent `FAIR_S` seconds later counts, and only where it was answered *pending*. Buyers whose polls had no answer are no
  witnesses.

What was untrue and put right by a later poll is fine. When everything had drained is told by the harness's own clock: when the sampler
first saw all rows, and last saw an order in the queue; without samples, when the drain saw a standstill.
"""

from loadtest.judge.checks import Check
from loadtest.judge.declared import LINK, STATUS

FAIR_S = 5
# Whose one order has no number that they know of: what they are told is about that order.
ONCE = "SELECT buyer FROM asks GROUP BY buyer HAVING count(*) = 1 AND any_value(outcome) IN ('accepted', 'won') AND any_value(number) IS NULL"
UNTRUE = f"""
    SELECT s.buyer, s.number, s.told_ns AS at_ns, format('a poll told {{}} that {{}} is confirmed ({{}}, {{}}), and there is no such row',
        s.buyer, coalesce(s.number, 'an order'), s.op, since_t0(s.told_ns)) AS text
    FROM said s ANTI JOIN orders USING (number, buyer) ANTI JOIN (SELECT number FROM orders WHERE buyer IS NULL) USING (number)
    WHERE state = 'confirmed' AND (number IS NOT NULL
        OR NOT (buyer IN (SELECT buyer FROM orders WHERE buyer IS NOT NULL) OR EXISTS (FROM orders WHERE buyer IS NULL)))
    UNION ALL
    SELECT s.buyer, s.number, s.told_ns, format('a poll told {{}} that {{}} is rejected ({{}}, {{}}), and there is a row of theirs',
        s.buyer, s.number, s.op, since_t0(s.told_ns))
    FROM said s SEMI JOIN orders USING (number, buyer)
    WHERE state = 'rejected' AND NOT EXISTS (
        FROM asks a WHERE a.buyer = s.buyer AND (a.outcome = 'unknown' OR a.number = s.number)
            AND coalesce(a.start_ns, s.told_ns) >= s.told_ns)
    UNION ALL
    SELECT s.buyer, s.number, s.told_ns, format('a poll told {{}} that their order is rejected ({{}}, {{}}), and there is a row of theirs',
        s.buyer, s.op, since_t0(s.told_ns))
    FROM said s SEMI JOIN orders USING (buyer)
    SEMI JOIN ({ONCE}) USING (buyer) WHERE state = 'rejected' AND s.number IS NULL
"""
# Since when nothing was on its way any more, neither to a row (`rows_ns`) nor to anything else (`all_ns`). A message can outlive its row,
# as that of a killed worker does, and its buyer is told *pending* until it was delivered again. Where the samples do not tell (`seen`),
# as of RabbitMQ when something broke, the drain does, which begins to look when the last buyer has stopped asking.
DRAINED = """
    SELECT CASE WHEN known THEN greatest(rows_ns, queued_ns) WHEN NOT outlives THEN coalesce(rows_ns, drained_ns) ELSE drained_ns END AS rows_ns,
        CASE WHEN known THEN greatest(rows_ns, queued_ns) ELSE drained_ns END AS all_ns, known OR (rows_ns IS NOT NULL AND NOT outlives) AS seen
    FROM (
        SELECT *, rows_ns IS NOT NULL AND queued_ns IS NOT NULL AS known FROM (
            SELECT drained_ns, EXISTS (FROM samples WHERE probe = 'broker') AND (EXISTS (FROM faults) OR EXISTS (FROM deaths)) AS outlives,
                (SELECT min(time_ns) FROM samples WHERE probe IN ('truth', 'postgres') AND metric = 'rows' AND time_ns >= t0_ns
                    AND value >= (SELECT count(*) FROM orders)) AS rows_ns,
                (SELECT coalesce(max(time_ns) FILTER (WHERE value > 0), min(time_ns)) FROM samples
                    WHERE probe = 'broker' AND metric IN ('ready', 'unacked') HAVING bool_or(metric = 'unacked')) AS queued_ns
            FROM sale WHERE drained))
"""
# Winners who went on asking, had their row or their rejection, and were told neither.
UNTOLD = f"""
    SELECT s.buyer, s.number, s.last_start_ns, s.last_end_ns, s.last_op, stored, seen, created_ns,
        CASE WHEN stored THEN rows_ns ELSE all_ns END AS since_ns
    FROM (
        SELECT s.*, o.number IS NOT NULL AS stored, o.created_ns FROM said s SEMI JOIN promises USING (number, buyer)
        LEFT JOIN (SELECT number, buyer, max(created_ns) AS created_ns FROM orders GROUP BY ALL) o
            ON o.number = s.number AND coalesce(o.buyer, s.buyer) = s.buyer
        WHERE state IS NULL AND (stored OR EXISTS (FROM rejected r WHERE r.number = s.number AND r.buyer = s.buyer))
        UNION ALL
        SELECT s.*, true, o.created_ns FROM said s JOIN (SELECT buyer, max(created_ns) AS created_ns FROM orders GROUP BY buyer) o USING (buyer)
        SEMI JOIN ({ONCE}) USING (buyer) WHERE state IS NULL AND s.number IS NULL
    ) s, ({DRAINED})
"""

CHECK = Check(
    name="told_untrue",
    sentence="what buyers were told of their orders is what became of them",
    needs=("ops", "orders", "rejected", "sale"),
    scope=(STATUS, LINK),
    relies=("number", "rows.number", "rows.buyer"),
    witnesses=f"""
        SELECT text FROM (
            {UNTRUE}
            UNION ALL
            SELECT buyer, number, last_end_ns, format('{{}} was last told that {{}} is pending ({{}}, {{}}), {{:.1f}} s after everything had drained; {{}}',
                buyer, coalesce(number, 'their order'), last_op, since_t0(last_end_ns), (last_start_ns - since_ns) / 1e9,
                CASE WHEN stored THEN 'its row is there' ELSE 'it is among the rejected' END)
            FROM ({UNTOLD}) WHERE last_start_ns > since_ns + {FAIR_S} * 1e9
        ) ORDER BY at_ns, buyer, number
    """,
    observed="""
        SELECT CASE WHEN n = 0 THEN 'nobody polled' ELSE format('{:,} of {:,} polled orders', (SELECT count(*) FROM witnesses), n) END, '0'
        FROM (SELECT count(*) AS n FROM (SELECT DISTINCT buyer, number FROM polls))
    """,
    unsettled=f"""
        SELECT format('none of {{:,}} polls was answered with a state that the manifest names', count(*)),
            'see the errors of kind status in the history, and state, pending, confirmed and rejected under [http.status] in the manifest'
        FROM polls WHERE NOT EXISTS (FROM said) HAVING count(http_status) > 0
        UNION ALL
        SELECT format('{{:,}} winners were last told pending, seconds after their rows by the database''s clock, and no sample tells whether '
                'anything was still on its way', count(*)),
            'see logs/ for why the sampler did not read the rows; on RabbitMQ, run it without a fault as well'
        FROM ({UNTOLD}) WHERE stored AND NOT seen AND last_start_ns <= since_ns + {FAIR_S} * 1e9
            AND last_start_ns > created_ns + {FAIR_S} * 1e9 HAVING count(*) > 0
    """,
)
