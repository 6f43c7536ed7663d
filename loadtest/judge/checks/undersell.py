"""Undersell: units left unsold although enough buyers asked and everything has drained."""

from loadtest.judge.checks import Check

SHORT = """
    SELECT *, least(stock, asked) - rows AS short FROM (
        SELECT least((SELECT count(DISTINCT number) FROM seeded), (SELECT stock FROM sale)) AS stock,
            (SELECT buyers FROM demand) AS asked, (SELECT count(*) FROM orders) AS rows,
            (SELECT drained FROM sale) AS drained)
"""

CHECK = Check(
    name="undersell",
    sentence="every unit was sold that enough buyers asked for",
    needs=("ops", "seeded", "orders", "sale"),
    witnesses=f"""
        SELECT format('{{}} was not sold: {{}}', number, place) AS text FROM (
            SELECT s.number, row_number() OVER (ORDER BY s.number) AS nth, CASE
                WHEN EXISTS (FROM tokens t WHERE t.number = s.number) THEN 'it is still a token'
                WHEN EXISTS (FROM queue q WHERE q.number = s.number) THEN 'it is still queued'
                WHEN h.number IS NOT NULL THEN format('{{}} holds its claim, nothing is queued, and no row came of it', h.buyer)
                WHEN EXISTS (FROM rejected r WHERE r.number = s.number) THEN 'it was rejected, and not sold again'
                ELSE 'it is nowhere' END AS place
            FROM (SELECT DISTINCT number FROM seeded) s ANTI JOIN orders o ON o.number = s.number
            LEFT JOIN (SELECT number, min(buyer) AS buyer FROM held GROUP BY number) h ON h.number = s.number
        ), ({SHORT}) WHERE drained AND nth <= short ORDER BY number
    """,
    observed=f"""
        SELECT format('{{:,}} rows; {{:,}} buyers asked for {{:,}} units', rows, asked, stock),
            format('≥ {{:,}} rows', least(stock, asked)) FROM ({SHORT})
    """,
    unsettled=f"""
        SELECT format('{{:,}} units were unsold, but nothing is final before the sale has drained', short),
            'raise drain.deadline_s, or the rate'
        FROM ({SHORT}) WHERE NOT drained AND short > 0
    """,
)
