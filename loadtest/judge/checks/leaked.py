"""Leaked: a seeded number that is in none of tokens, claims, queue, rows, rejected; or that is in two places, and counted twice.

A number in no place is a unit that can never be sold. One in two places is not leaked: it was sold and is still for sale, say, or was
given to two buyers. The check fails on either, and names and counts each kind for itself. A number that is in two of these sets still counts as one place when it is:

- a claim beside its queue entry, or beside the row or rejection *of the same buyer*: a shop may keep its claims for ever, so only a
  claim without any of these is *held* (table `held`). A claim of one buyer and the row of another are two places;
- a queue entry whose row exists: the message is not yet acknowledged, or was delivered again;
- a rejection of a number that is for sale again, or is now another buyer's: it was returned. A row and a rejection of one
  number for the same buyer are two places.

A held claim is a place, even where no worker will ever process it, so it is no leak. Its unit was not sold, so `undersell`
reports it, and so does `lost` where it was promised.

Counted units have no names, and the check is a balance: stock = units in rows + units left + held claims + queued orders. Units beyond
the stock are oversold, not in two places; and a stock below zero is an empty one, as of a counter that everybody has taken one from.

*Warning:* the final reads are not one snapshot. They must follow the way of an order (tokens, claims, queue, rows); otherwise,
in a sale that has not drained, a number that moves between two reads appears to be nowhere.
"""

from loadtest.judge.checks import Check
from loadtest.judge.declared import LEFT, ROW_IDS, ROWS, SEEDED, TOKENS

NOWHERE = "in none of tokens, claims, queue, rows, rejected"
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

# What is on its way is between `least` and `most` units: entries of a queue that shows no numbers may be those of held claims.
BALANCE = """
    SELECT *, greatest(absent - most, 0)::BIGINT AS nowhere, greatest(least - absent, 0)::BIGINT AS twice FROM (
        SELECT *, stock - least(rows, stock) - unsold AS absent, if(named, held + queued, greatest(held, queued)) AS least, held + queued AS most FROM (
            SELECT (SELECT units FROM offered) AS stock, coalesce((SELECT sum(units) FROM stored), 0)::BIGINT AS rows, greatest(left_units, 0) AS unsold,
                (SELECT count(*) FROM held) AS held, (SELECT count(*) FROM queue ANTI JOIN orders USING (number)
                    WHERE state <> 'unknown' AND NOT (drained AND number IS NULL)) AS queued,
                NOT EXISTS (FROM queue WHERE number IS NULL) AS named, drained
            FROM sale))
"""
COUNTED = Check(
    name="leaked",
    sentence="every unit is in exactly one place: sold, left, held or queued",
    needs=("orders", "left", "claims", "queue", "rejected", "sale"),
    scope=(ROWS, LEFT),
    relies=("rows.buyer", "rows.number"),
    witnesses=f"""
        SELECT format('{{}} {{}}: {{:,}} for sale, of which {{:,}} are in rows, {{:,}} left{{}}{{}}', if(nowhere > 0, nowhere, twice),
                if(nowhere + twice = 1, 'unit is ', 'units are ') || if(nowhere > 0, 'nowhere', 'in two places'), stock, rows, unsold,
                if(most > 0, format(', {{:,}} held or queued', most), ''), if(nowhere > 0, s.text, '')) AS text, nowhere + twice AS units
        FROM ({BALANCE}), ({SUSPECTS}) s WHERE drained AND nowhere + twice > 0
    """,
    observed=f"""
        SELECT format('{{:,}} leaked, {{:,}} in two places, of {{:,}} units', nowhere, twice, stock), '0 and 0' FROM ({BALANCE})
    """,
    unsettled=f"""
        SELECT format('{{:,}} of {{:,}} units do not add up, but nothing is final before the sale has drained', nowhere + twice, stock),
            'raise drain.deadline_s, or the rate'
        FROM ({BALANCE}) WHERE NOT drained AND nowhere + twice > 0
    """,
    units="SELECT sum(units)::BIGINT FROM witnesses",
)
CHECK = Check(
    name="leaked",
    sentence="every seeded number is in exactly one place",
    needs=("seeded", "tokens", "claims", "queue", "orders", "rejected"),
    scope=(SEEDED, ROWS, ROW_IDS, TOKENS),
    relies=("rows.number", "rows.buyer"),
    counted=COUNTED,
    witnesses=f"""
        SELECT CASE WHEN places > 0 THEN format('{{}} is in {{}} places: {{}}', l.number, places, named)
            WHEN p.number IS NOT NULL THEN format('{{}} is {NOWHERE}; promised to {{}} ({{}})', l.number, p.buyer, p.op)
            ELSE format('{{}} is {NOWHERE}{{}}', l.number, s.text) END AS text
        FROM placed l
        LEFT JOIN (SELECT number, first(buyer ORDER BY told_ns) AS buyer, first(op ORDER BY told_ns) AS op
                   FROM promises GROUP BY number) p ON p.number = l.number
        CROSS JOIN ({SUSPECTS}) s
        WHERE places > 0 OR NOT coalesce((SELECT cut_short OR veiled FROM clock), false) ORDER BY l.number
    """,
    observed="""
        SELECT format('{:,} leaked, {:,} in two places, of {:,} seeded', (SELECT count(*) FROM witnesses) - twice, twice, n), '0 and 0'
        FROM (SELECT (SELECT count(*) FROM placed WHERE places > 1) AS twice, (SELECT count(*) FROM seeded) AS n)
    """,
    unsettled=f"""
        SELECT format('{{:,}} numbers were {NOWHERE} when the run was stopped before its deadline', count(*)),
            'let the run reach drain.deadline_s or drain'
        FROM placed, clock WHERE cut_short AND places = 0 HAVING count(*) > 0
        UNION ALL
        SELECT format('{{:,}} numbers were {NOWHERE} at the deadline; workers may hold them, which the broker does not name', count(*)),
            'raise drain.deadline_s, so that the sale drains'
        FROM placed, clock WHERE veiled AND NOT cut_short AND places = 0 HAVING count(*) > 0
    """,
)
