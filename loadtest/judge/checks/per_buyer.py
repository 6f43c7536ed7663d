"""Per buyer: a buyer with more rows, or more standing promises, than the cap. One number told twice is one promise."""

from loadtest.judge.checks import Check

CHECK = Check(
    name="per_buyer",
    sentence="no buyer got more than the cap, in rows or in promises",
    needs=("ops", "orders", "rejected", "sale"),
    witnesses="""
        SELECT format('{} has {} and {}; the cap is {}', buyer,
            rows || if(rows = 1, ' row', ' rows'), told || if(told = 1, ' promise', ' promises'), per_buyer) AS text
        FROM (
            SELECT buyer, coalesce(r.n, 0) AS rows, coalesce(t.n, 0) AS told
            FROM (SELECT buyer, count(*) AS n FROM orders GROUP BY buyer) r
            FULL JOIN (SELECT buyer, count(*) AS n FROM promises WHERE NOT withdrawn GROUP BY buyer) t USING (buyer)
        ), sale WHERE greatest(rows, told) > per_buyer ORDER BY buyer
    """,
    observed="SELECT format('{:,} buyers over the cap', (SELECT count(*) FROM witnesses)), format('≤ {} each', per_buyer) FROM sale",
)
