"""Phantom: a row that no order of its buyer explains.

The buyer never asked, or was told sold-out, throttled or refused every time. A row is explained by a promise of that number to
that buyer, or by an order of that buyer that was not answered, was accepted, or was won without a number; each such order explains one row.
Together with `lost` this gives |A| ≤ |R| ≤ |A| + |I|, for promises A, rows R and unanswered orders I.
"""

from loadtest.judge.checks import Check
from loadtest.judge.declared import BUYERS

CHECK = Check(
    name="phantom",
    sentence="every stored order was asked for, and not refused every time",
    needs=("ops", "orders"),
    scope=(BUYERS,),
    relies=("number", "rows.number", "rows.buyer"),
    witnesses="""
        WITH unpromised AS (
            SELECT number, buyer, created_ns, row_number() OVER (PARTITION BY buyer ORDER BY created_ns, number) AS nth
            FROM stored ANTI JOIN promises USING (number, buyer)
        ), phantoms AS (
            SELECT u.* FROM unpromised u LEFT JOIN explained e ON e.buyer = u.buyer WHERE nth > coalesce(e.rows, 0)
        ), told AS (
            SELECT buyer, array_to_string(list(DISTINCT outcome ORDER BY outcome), ', ') AS outcomes
            FROM asks SEMI JOIN phantoms USING (buyer) GROUP BY buyer
        )
        SELECT format('row {} for {}, {}', coalesce(p.number, 'NULL'), coalesce(p.buyer, 'NULL'),
            coalesce('who was told only: ' || t.outcomes, 'who never asked')) AS text
        FROM phantoms p LEFT JOIN told t ON t.buyer = p.buyer ORDER BY p.number, p.buyer
    """,
    observed="""
        SELECT format('{:,} phantoms among {:,} rows; {:,} promised, {:,} unanswered', (SELECT count(*) FROM witnesses),
            (SELECT count(*) FROM orders), (SELECT count(*) FROM promises),
            (SELECT count(*) FROM asks WHERE outcome = 'unknown')), '0 phantoms'
    """,
)
