"""Sold out early: a buyer was told sold-out while a unit was left, as a later win proves.

A win is later when it was *invoked* after the sold-out had *completed*; orders that overlap prove nothing. Between two
generators it must be later by more than their clocks may differ (table `apart`). A win that repeats an earlier answer, or
follows an order of the same buyer that was never answered, counts from the start of that earlier order; where that is not
known, as of an order that a killed generator had begun, from T0, the earliest it can be. A number that was
rejected for another buyer was returned to the sale, and may be won late.
"""

from loadtest.judge.checks import Check

CHECK = Check(
    name="sold_out_early",
    sentence="nobody won who asked after a buyer had been told sold-out",
    needs=("ops", "rejected"),
    witnesses="""
        WITH closed AS (
            SELECT end_ns, buyer, op_name(generator, op_id) AS op, generator FROM asks
            WHERE outcome = 'sold_out' QUALIFY row_number() OVER (PARTITION BY generator ORDER BY end_ns, op_id) = 1
        ), begun AS (
            SELECT p.number, p.buyer, p.op, min(coalesce(a.start_ns, t0_ns)) AS start_ns,
                arg_min(a.generator, coalesce(a.start_ns, t0_ns)) AS generator FROM sale, promises p JOIN asks a ON a.buyer = p.buyer
                AND (a.outcome = 'unknown' OR (a.outcome IN ('won', 'already_bought') AND a.number IS NOT DISTINCT FROM p.number))
            GROUP BY ALL
        )
        SELECT format('{} won {} ({}), asking {:.1f} ms after {} had been told sold-out ({})', b.buyer,
            coalesce(b.number, 'a unit'), b.op, (b.start_ns - c.end_ns) / 1e6, c.buyer, c.op) AS text
        FROM begun b, closed c, apart WHERE one = b.generator AND other = c.generator AND b.start_ns > c.end_ns + apart_ns
            AND NOT EXISTS (FROM told_rejected r WHERE r.number = b.number AND r.buyer <> b.buyer)
        QUALIFY row_number() OVER (PARTITION BY b.number, b.buyer, b.op ORDER BY c.end_ns, c.op) = 1
        ORDER BY b.start_ns, b.buyer
    """,
    observed="""
        SELECT format('{:,} late wins; {:,} told sold-out', (SELECT count(*) FROM witnesses), count(*)), '0 late wins'
        FROM asks WHERE outcome = 'sold_out'
    """,
)
