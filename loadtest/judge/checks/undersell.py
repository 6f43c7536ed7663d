"""Undersell: units left unsold although enough buyers asked and everything has drained.

Demand is of the buyers whose order left their machine, was not refused as one that cannot be placed, and was answered or became a row.
Whether a buyer without an answer would have got a unit that is still for sale, nobody knows: such units prove nothing. A unit that is no longer for sale either (a claim without
a row, a rejection) is unsold, whoever asked for it.

Of counted units, those that are left may be too few for any order: fewer than the largest one took. How many are still for sale is what
the shop says is left; where that is not read, all may be.
"""

from loadtest.judge.checks import Check
from loadtest.judge.declared import ONE_ITEM, ROWS, SEEDED

# `short`: units that were asked for and have no row. Up to `excused` of these may be wanted by buyers without an answer alone.
SHORT = """
    SELECT *, short - greatest(least(stock, answered) - rows, 0) AS beyond, least(beyond, for_sale) AS excused FROM (
        SELECT *, greatest(least(stock, asked) - rows, 0) AS short FROM (
            SELECT least((SELECT count(DISTINCT number) FROM seeded), (SELECT stock FROM sale)) AS stock,
                buyers AS asked, answered, (SELECT count(*) FROM orders) AS rows, (SELECT drained FROM sale) AS drained,
                (SELECT count(DISTINCT number) FROM seeded ANTI JOIN orders USING (number) ANTI JOIN queue USING (number)
                    ANTI JOIN held USING (number) ANTI JOIN (SELECT number FROM rejected ANTI JOIN tokens USING (number)) USING (number)) AS for_sale
            FROM demand))
"""

COUNTED_SHORT = """
    SELECT *, greatest(short - greatest(least(stock, answered) - rows, 0), 0) AS beyond, least(beyond, for_sale) AS excused FROM (
        SELECT *, if(wanted < largest, 0, wanted) AS short, if(has('left'), unsold, wanted) AS for_sale FROM (
            SELECT *, greatest(least(stock, asked) - rows, 0) AS wanted FROM (
                SELECT (SELECT units FROM offered) AS stock, d.buyers * smallest AS asked, d.answered * smallest AS answered, d.buyers, largest, drained,
                    coalesce((SELECT sum(units) FROM stored), 0)::BIGINT AS rows, greatest(coalesce(left_units, 0), 0) AS unsold
                FROM demand d, lot, sale)))
"""
COUNTED = Check(
    name="undersell",
    sentence="every unit was sold that enough buyers asked for",
    needs=("ops", "orders", "sale"),
    scope=(ROWS, ONE_ITEM),
    witnesses=f"""
        SELECT format('{{:,}} of {{:,}} units were not sold, and {{:,}} buyers asked{{}}', short - excused, stock, buyers,
            if(has('left'), format('; {{:,}} are left', unsold), '')) AS text, short - excused AS units
        FROM ({COUNTED_SHORT}) WHERE drained AND short > excused
    """,
    observed=f"""
        SELECT format('{{:,}} units; {{:,}} buyers asked for {{:,}}', rows, buyers, stock), format('≥ {{:,}} units', least(stock, answered))
        FROM ({COUNTED_SHORT})
    """,
    unsettled=f"""
        SELECT format('{{:,}} units were unsold, but nothing is final before the sale has drained', short),
            'raise drain.deadline_s, or the rate'
        FROM ({COUNTED_SHORT}) WHERE NOT drained AND short > 0
        UNION ALL
        SELECT format('{{:,}} units are still for sale that only buyers without an answer asked for', excused),
            'let buyers retry (traffic.retries), and see why they had no answer'
        FROM ({COUNTED_SHORT}) WHERE drained AND excused > 0
    """,
    units="SELECT sum(units)::BIGINT FROM witnesses",
)
CHECK = Check(
    name="undersell",
    sentence="every unit was sold that enough buyers asked for",
    needs=("ops", "seeded", "orders", "sale"),
    scope=(SEEDED, ROWS, ONE_ITEM),
    counted=COUNTED,
    witnesses=f"""
        SELECT format('{{}} was not sold: {{}}', number, place) AS text FROM (
            SELECT *, row_number() OVER (ORDER BY place IN ('it is still a token', 'it is nowhere'), number) AS nth FROM (
            SELECT s.number, CASE
                WHEN EXISTS (FROM tokens t WHERE t.number = s.number) THEN 'it is still a token'
                WHEN EXISTS (FROM queue q WHERE q.number = s.number) THEN 'it is still queued'
                WHEN h.number IS NOT NULL THEN format('{{}} holds its claim, nothing is queued, and no row came of it', h.buyer)
                WHEN EXISTS (FROM rejected r WHERE r.number = s.number) THEN 'it was rejected, and not sold again'
                ELSE 'it is nowhere' END AS place
            FROM (SELECT DISTINCT number FROM seeded) s ANTI JOIN orders o ON o.number = s.number
            LEFT JOIN (SELECT number, min(buyer) AS buyer FROM held GROUP BY number) h ON h.number = s.number)
        ), ({SHORT}) WHERE drained AND nth <= short - excused ORDER BY number
    """,
    observed=f"""
        SELECT format('{{:,}} rows; {{:,}} buyers asked for {{:,}} units', rows, asked, stock),
            format('≥ {{:,}} rows', least(stock, answered)) FROM ({SHORT})
    """,
    unsettled=f"""
        SELECT format('{{:,}} units were unsold, but nothing is final before the sale has drained', short),
            'raise drain.deadline_s, or the rate'
        FROM ({SHORT}) WHERE NOT drained AND short > 0
        UNION ALL
        SELECT format('{{:,}} units are still for sale that only buyers without an answer asked for', excused),
            'let buyers retry (traffic.retries), and see why they had no answer'
        FROM ({SHORT}) WHERE drained AND excused > 0
    """,
)
