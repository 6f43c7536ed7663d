"""Leaked: a seeded number that is in none, or in more than one, of tokens, claims, queue, rows, rejected.

A number that is in two of these sets still counts as one place when it is:

- a claim beside its own queue entry, row or rejection: a shop may keep its claims for ever, so only a claim without any of
  these is *held*;
- a queue entry whose row exists: the message is not yet acknowledged, or was delivered again;
- a rejection of a number that is for sale again, or is now another buyer's: it was returned. A row and a rejection of one
  number for the same buyer are two places.

A held claim is a place, even where no worker will ever process it, so it is no leak. Its unit was not sold, so `undersell`
reports it, and so does `lost` where it was promised.

*Warning:* the final reads are not one snapshot. They must follow the way of an order (tokens, claims, queue, rows); otherwise,
in a sale that has not drained, a number that moves between two reads appears to be nowhere.
"""

from loadtest.judge.checks import Check

NOWHERE = "in none of tokens, claims, queue, rows, rejected"
PLACED = """
    WITH elsewhere AS (
        SELECT number FROM tokens UNION SELECT number FROM orders UNION SELECT number FROM queue UNION SELECT number FROM held
    ), places AS (
        SELECT number, 'tokens' AS place FROM tokens
        UNION ALL SELECT DISTINCT number, 'claims' FROM held
        UNION ALL SELECT DISTINCT number, 'queue' FROM queue ANTI JOIN orders USING (number)
        UNION ALL SELECT DISTINCT number, 'rows' FROM orders
        UNION ALL SELECT DISTINCT number, 'rejected' FROM rejected ANTI JOIN elsewhere USING (number)
        UNION ALL SELECT DISTINCT number, 'rejected' FROM rejected SEMI JOIN orders USING (number, buyer)
    )
    SELECT number, count(place) AS places, array_to_string(list(place ORDER BY place), ', ') AS named
    FROM (SELECT DISTINCT number FROM seeded) LEFT JOIN places USING (number) GROUP BY number HAVING places <> 1
"""
# An order that was never answered may have popped the number and died before it was stored: name it as the suspect.
SUSPECTS = """
    SELECT coalesce('; suspect: ' || first(o.text ORDER BY start_ns) || CASE count(*) WHEN 1 THEN ''
        ELSE format(', the first of {:,} such orders', count(*)) END, '')
        || coalesce('; faults meanwhile: ' || (SELECT string_agg(DISTINCT fault, ', ') FROM faults), '') AS text
    FROM (
        SELECT start_ns, format('{} of {}, unanswered ({}) and without a row', op_name(generator, op_id), buyer,
            coalesce(error, 'no error recorded')) AS text
        FROM asks ANTI JOIN orders USING (buyer) WHERE outcome = 'unknown'
    ) o
"""

CHECK = Check(
    name="leaked",
    sentence="every seeded number is in exactly one place",
    needs=("seeded", "tokens", "claims", "queue", "orders", "rejected"),
    witnesses=f"""
        SELECT CASE WHEN places > 0 THEN format('{{}} is in {{}} places: {{}}', l.number, places, named)
            WHEN p.number IS NOT NULL THEN format('{{}} is {NOWHERE}; promised to {{}} ({{}})', l.number, p.buyer, p.op)
            ELSE format('{{}} is {NOWHERE}{{}}', l.number, s.text) END AS text
        FROM ({PLACED}) l
        LEFT JOIN (SELECT number, first(buyer ORDER BY told_ns) AS buyer, first(op ORDER BY told_ns) AS op
                   FROM promises GROUP BY number) p ON p.number = l.number
        CROSS JOIN ({SUSPECTS}) s
        WHERE places > 0 OR NOT coalesce((SELECT cut_short OR veiled FROM clock), false) ORDER BY l.number
    """,
    observed="SELECT format('{:,} leaked of {:,} seeded', (SELECT count(*) FROM witnesses), count(*)), '0 leaked' FROM seeded",
    unsettled=f"""
        SELECT format('{{:,}} numbers were {NOWHERE} when the run was stopped before its deadline', count(*)),
            'let the run reach drain.deadline_s or drain'
        FROM ({PLACED}), clock WHERE cut_short AND places = 0 HAVING count(*) > 0
        UNION ALL
        SELECT format('{{:,}} numbers were {NOWHERE} at the deadline; workers may hold them, which the broker does not name', count(*)),
            'raise drain.deadline_s, so that the sale drains'
        FROM ({PLACED}), clock WHERE veiled AND NOT cut_short AND places = 0 HAVING count(*) > 0
    """,
)
