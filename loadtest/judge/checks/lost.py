"""Lost: a buyer was told that a unit is theirs, and no row has it.

- Both `won` and `already_bought` with a number tell a buyer that the unit is theirs.
- Late is not lost. A number still in the queue will become a row, and `drain` judges how long that takes. A claim is late too
  while the sale has not drained, because a worker or a reconciler may still process it; after that it is lost.
- A promise whose number became another buyer's row is `wrong_owner` or `double_promise`, not lost: each defect has one name.
- While workers may hold orders whose numbers the broker does not show (RabbitMQ, before the sale has drained), a missing row
  proves nothing.
- A win without a number is a promise like any other: its buyer needs as many rows as promises, with a number or without. A number
  that a later `already_bought` or a poll told is that of such a win. So is every win where rows have no number. A row of several
  units may be of several orders, each of as many as the smallest row.
- Where rows have no buyer either, there must be as many of them as such wins.
- An `accepted` order is promised once a poll has confirmed it and told its number.
- Rejected is what the final read or the last word of the buyer's polls says. A rejection without a number counts for the buyer's only
  promise; of two, nobody knows which it was.
"""

from loadtest.judge.checks import Check
from loadtest.judge.declared import PROMISES, ROWS

LATE = "(EXISTS (FROM queue q WHERE q.number = p.number) OR (NOT drained AND EXISTS (FROM held h WHERE h.number = p.number AND coalesce(h.buyer, p.buyer) = p.buyer)))"
OPEN = """
    SELECT p.number, p.buyer, p.op, p.told_ns FROM promises p ANTI JOIN orders o ON o.number = p.number
    WHERE p.number IS NOT NULL AND NOT p.withdrawn
    UNION ALL
    SELECT NULL, buyer, op, told_ns FROM (
        SELECT *, row_number() OVER (PARTITION BY buyer ORDER BY told_ns, op) AS nth FROM promises WHERE number IS NULL AND NOT withdrawn
    ) LEFT JOIN (
        SELECT buyer, sum(units) // any_value(smallest) AS rows FROM stored ANTI JOIN promises USING (number, buyer), lot GROUP BY buyer
    ) USING (buyer) WHERE nth > coalesce(rows, 0) AND has('rows.buyer')
    UNION ALL
    SELECT NULL, buyer, op, told_ns FROM (
        SELECT *, row_number() OVER (ORDER BY told_ns, op) AS nth FROM promises WHERE number IS NULL AND NOT withdrawn AND NOT has('rows.buyer')
    ), (SELECT coalesce(sum(units), 0) // any_value(smallest) AS rows FROM stored ANTI JOIN (SELECT number FROM promises WHERE number IS NOT NULL) USING (number), lot)
    WHERE nth > coalesce(rows, 0)
"""

CHECK = Check(
    name="lost",
    sentence="every acknowledged order was stored, still waits, or was explicitly rejected",
    needs=("ops", "orders", "rejected", "queue", "claims", "sale"),
    scope=(PROMISES, ROWS),
    relies=("number", "rows.number", "rows.buyer"),
    witnesses=f"""
        SELECT format('{{}} was told that {{}} is theirs ({{}}, {{}}); it has no row, and was not rejected{{}}',
            buyer, coalesce(number, 'a unit'), op, since_t0(told_ns), CASE
                WHEN EXISTS (FROM tokens t WHERE t.number = p.number) THEN '; it is for sale again'
                WHEN EXISTS (FROM held h WHERE h.number = p.number AND coalesce(h.buyer, p.buyer) = p.buyer) THEN '; its claim is held, and nothing is queued'
                ELSE '' END) AS text
        FROM ({OPEN}) p, clock
        WHERE NOT cut_short AND NOT veiled AND NOT {LATE} AND (number IS NOT NULL OR drained) ORDER BY number, told_ns, buyer
    """,
    observed=f"""
        SELECT format('{{:,}} lost, {{:,}} late, of {{:,}} promises', (SELECT count(*) FROM witnesses),
            (SELECT count(*) FROM ({OPEN}) p, clock WHERE {LATE}), (SELECT count(*) FROM promises)), '0 lost'
    """,
    unsettled=f"""
        SELECT format('{{:,}} promises had no row when the run was stopped before its deadline', count(*)),
            'let the run reach drain.deadline_s or drain'
        FROM ({OPEN}) p, clock WHERE cut_short HAVING count(*) > 0
        UNION ALL
        SELECT format('{{:,}} promises had no row at the deadline; workers may hold their orders, which the broker does not name', count(*)),
            'raise drain.deadline_s, so that the sale drains'
        FROM ({OPEN}) p, clock WHERE veiled AND NOT cut_short AND number IS NOT NULL AND NOT {LATE} HAVING count(*) > 0
    """,
)
