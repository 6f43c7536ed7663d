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

CHECK = Check(
    name="sold_out_early",
    sentence="nobody won who asked after a buyer had been told sold-out, but for units that were returned",
    needs=("ops", "rejected"),
    scope=(PROMISES, ONE_ITEM),
    witnesses="""
        SELECT format('{} won {} ({}), asking {:.1f} ms after {} had been told sold-out ({})', buyer,
            coalesce(number, 'a unit'), op, (start_ns - closed_ns) / 1e6, loser, closing) AS text
        FROM late_wins, lot WHERE late = 1 AND smallest = largest
        QUALIFY excess > coalesce(lag(excess) OVER (ORDER BY at_ns, number, buyer), 0) ORDER BY start_ns, buyer
    """,
    observed="""
        SELECT format('{:,} late wins{}; {:,} told sold-out', n, CASE WHEN n > found THEN format(', {:,} of them of {} that may have been returned',
                n - found, CASE n - found WHEN 1 THEN 'a unit' ELSE 'units' END) ELSE '' END,
            (SELECT count(*) FROM asks WHERE outcome = 'sold_out')), '0 late wins but of returned units'
        FROM (
            SELECT n, if(smallest = largest, excess, n) AS found FROM lot,
                (SELECT (SELECT count(*) FROM late_wins WHERE late = 1) AS n, (SELECT count(*) FROM witnesses) AS excess))
    """,
    unsettled="""
        SELECT format('{:,} late wins may be of units that were put back long after their orders had failed', max(unsure - excess)::BIGINT),
            'let the shop answer once a unit is for sale again, or list what was returned: [final] rejected in the manifest'
        FROM late_wins HAVING max(unsure - excess) > 0
        UNION ALL
        SELECT format('{:,} late wins may be of fewer units than those who had been told sold-out asked for', max(excess)::BIGINT),
            'let all buyers of a sale ask for the same quantity'
        FROM late_wins, lot WHERE smallest < largest HAVING max(excess) > 0
    """,
)
