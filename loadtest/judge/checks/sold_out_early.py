"""Sold out early: a buyer was told sold-out while a unit was left, as a later win proves.

A win is later when it was *invoked* after the sold-out had *completed*; orders that overlap prove nothing. Between two
generators it must be later by more than their clocks may differ (table `apart`). A win that repeats an earlier answer, or
follows an order of the same buyer that was never answered, counts from the start of that earlier order; where that is not
known, as of an order that a killed generator had begun, from T0, the earliest it can be.

A unit that was returned may be won late, under its own number or a new one: as many late wins are allowed as units may have come back
before each of them. Returned is a unit whose buyer was rejected, after that buyer had been promised it; and an order that ended
without an answer, or with an error of the server's, may have put back what it had claimed, unless its buyer has a row, a claim or
a rejection to show for it. Where that answer came before anybody was told sold-out, a unit put back with it was for sale then, and
one put back later (by a clean-up, say) was not: such a win proves nothing.

Where orders differ in how many units they are of, a small one may be filled when a large one no longer can: a late win proves nothing.
"""

from loadtest.judge.checks import Check
from loadtest.judge.declared import ONE_ITEM, PROMISES

LATE = """
    WITH closed AS (
        SELECT end_ns, buyer, op_name(generator, op_id) AS op, generator FROM asks
        WHERE outcome = 'sold_out' QUALIFY row_number() OVER (PARTITION BY generator ORDER BY end_ns, op_id) = 1
    ), begun AS (
        SELECT p.number, p.buyer, p.op, p.told_ns, min(coalesce(a.start_ns, t0_ns)) AS start_ns,
            arg_min(a.generator, coalesce(a.start_ns, t0_ns)) AS generator
        FROM sale, promises p JOIN asks a ON a.buyer = p.buyer AND (a.outcome IN ('unknown', 'accepted') OR (a.outcome = 'won' AND a.number IS NULL)
            OR (a.outcome IN ('won', 'already_bought') AND a.number IS NOT DISTINCT FROM p.number))
        GROUP BY ALL
    )
    SELECT b.*, c.end_ns AS closed_ns, c.buyer AS loser, c.op AS closing
    FROM begun b, closed c, apart WHERE one = b.generator AND other = c.generator AND b.start_ns > c.end_ns + apart_ns
    QUALIFY row_number() OVER (PARTITION BY b.number, b.buyer, b.op ORDER BY c.end_ns, c.op) = 1
"""
# A unit that came back after `from_ns`. `sure` is false where it came back before anybody was told sold-out, or by a clean-up.
RETURNS = """
    SELECT coalesce(min(coalesce(p.told_ns, a.start_ns)), 0) AS from_ns, true AS sure
    FROM told_rejected r LEFT JOIN asks a ON a.buyer = r.buyer
    LEFT JOIN promises p ON p.buyer = r.buyer AND p.number IS NOT DISTINCT FROM r.number GROUP BY r.number, r.buyer
    UNION ALL
    SELECT coalesce(start_ns, 0), http_status IS NULL OR end_ns >= (SELECT min(start_ns) FROM asks WHERE outcome = 'sold_out') FROM (
        SELECT *, row_number() OVER (PARTITION BY buyer ORDER BY start_ns, op_id) AS nth
        FROM asks WHERE outcome = 'unknown' OR (outcome = 'refused' AND http_status >= 500)
    ) LEFT JOIN (
        SELECT buyer, count(DISTINCT number) AS kept FROM (
            SELECT number, buyer FROM orders UNION SELECT number, buyer FROM claims UNION SELECT number, buyer FROM told_rejected
        ) ANTI JOIN promises USING (number, buyer) GROUP BY buyer
    ) USING (buyer) WHERE nth > coalesce(kept, 0)
"""
# How many late wins, up to each, are more than the units that may have come back before.
COUNTED = f"""
    SELECT *, greatest(max(wins - backs) OVER upto, 0) AS excess, greatest(max(wins - sure_backs) OVER upto, 0) AS unsure FROM (
        SELECT *, sum(late) OVER upto AS wins, sum(1 - late) OVER upto AS backs,
            coalesce(sum(1 - late) FILTER (WHERE sure) OVER upto, 0) AS sure_backs
        FROM (
            SELECT 1 AS late, told_ns AS at_ns, false AS sure, * EXCLUDE told_ns FROM ({LATE})
            UNION ALL BY NAME SELECT 0 AS late, from_ns AS at_ns, sure FROM ({RETURNS})
        ) WINDOW upto AS (ORDER BY at_ns, late DESC, number, buyer ROWS UNBOUNDED PRECEDING)
    ) WINDOW upto AS (ORDER BY at_ns, late DESC, number, buyer ROWS UNBOUNDED PRECEDING)
"""

CHECK = Check(
    name="sold_out_early",
    sentence="nobody won who asked after a buyer had been told sold-out, but for units that were returned",
    needs=("ops", "rejected"),
    scope=(PROMISES, ONE_ITEM),
    witnesses=f"""
        SELECT format('{{}} won {{}} ({{}}), asking {{:.1f}} ms after {{}} had been told sold-out ({{}})', buyer,
            coalesce(number, 'a unit'), op, (start_ns - closed_ns) / 1e6, loser, closing) AS text
        FROM ({COUNTED}), lot WHERE late = 1 AND smallest = largest
        QUALIFY excess > coalesce(lag(excess) OVER (ORDER BY at_ns, number, buyer), 0) ORDER BY start_ns, buyer
    """,
    observed=f"""
        SELECT format('{{:,}} late wins{{}}; {{:,}} told sold-out', n, CASE WHEN n > found THEN format(', {{:,}} of them of {{}} that may have been returned',
                n - found, CASE n - found WHEN 1 THEN 'a unit' ELSE 'units' END) ELSE '' END,
            (SELECT count(*) FROM asks WHERE outcome = 'sold_out')), '0 late wins but of returned units'
        FROM (SELECT n, if(smallest = largest, excess, n) AS found FROM (SELECT (SELECT count(*) FROM ({LATE})) AS n, (SELECT count(*) FROM witnesses) AS excess), lot)
    """,
    unsettled=f"""
        SELECT format('{{:,}} late wins may be of units that were put back long after their orders had failed', max(unsure - excess)::BIGINT),
            'let the shop answer once a unit is for sale again, or list what was returned: [final] rejected in the manifest'
        FROM ({COUNTED}) HAVING max(unsure - excess) > 0
        UNION ALL
        SELECT format('{{:,}} late wins may be of fewer units than those who had been told sold-out asked for', max(excess)::BIGINT),
            'let all buyers of a sale ask for the same quantity'
        FROM ({COUNTED}), lot WHERE smallest < largest HAVING max(excess) > 0
    """,
)
