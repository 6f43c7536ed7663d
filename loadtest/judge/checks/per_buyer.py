"""Per buyer: a buyer with more rows, or more standing promises, than the cap. One number told twice is one promise.

Where rows have a quantity, their units count.
"""

from loadtest.judge.checks import Check
from loadtest.judge.declared import BUYERS

CHECK = Check(
    name="per_buyer",
    sentence="no buyer got more than the cap, in rows or in promises",
    needs=("ops", "orders", "rejected", "sale"),
    scope=(BUYERS,),
    relies=("rows.buyer", "rows.quantity"),
    witnesses="""
        SELECT format('{} has {} and {}; the cap is {}', buyer,
            rows || if(has('rows.quantity'), ' unit', ' row') || if(rows = 1, '', 's'), told || if(told = 1, ' promise', ' promises'), per_buyer) AS text
        FROM (
            SELECT buyer, coalesce(r.n, 0) AS rows, coalesce(t.n, 0) AS told
            FROM (SELECT buyer, sum(units)::BIGINT AS n FROM stored GROUP BY buyer) r
            FULL JOIN (SELECT buyer, count(*) AS n FROM promises WHERE NOT withdrawn GROUP BY buyer) t USING (buyer)
        ), sale WHERE greatest(rows, told) > per_buyer ORDER BY buyer
    """,
    observed="SELECT format('{:,} buyers over the cap', (SELECT count(*) FROM witnesses)), format('≤ {} each', per_buyer) FROM sale",
)
