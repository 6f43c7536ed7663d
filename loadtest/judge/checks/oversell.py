"""Oversell: more rows than stock, or a row for a number that was never for sale."""

from loadtest.judge.checks import Check

# Witnesses: every row whose number was never seeded, then the latest rows, until there are as many as rows beyond the stock.
CHECK = Check(
    name="oversell",
    sentence="no more orders were stored than there was stock, each for a seeded number",
    needs=("seeded", "orders"),
    witnesses="""
        WITH stock AS (
            SELECT least((SELECT count(DISTINCT number) FROM seeded), (SELECT stock FROM sale)) AS units
        ), stored AS (
            SELECT o.*, s.number IS NULL AS stranger
            FROM orders o LEFT JOIN (SELECT DISTINCT number FROM seeded) s ON s.number = o.number
        ), ranked AS (
            SELECT *, count(*) OVER () - units AS excess, units,
                   row_number() OVER (ORDER BY stranger DESC, created_ns DESC, number DESC, buyer DESC) AS place,
                   row_number() OVER (ORDER BY created_ns, number, buyer) AS nth
            FROM stored, stock
        )
        SELECT CASE WHEN stranger THEN format('row {} of {}: the number was never seeded', coalesce(number, 'NULL'), buyer)
            ELSE format('row {} of {} is number {:,} of a stock of {:,}', number, buyer, nth, units) END AS text
        FROM ranked WHERE stranger OR place <= excess ORDER BY place
    """,
    observed="""
        SELECT format('{:,} rows, {:,} oversold', (SELECT count(*) FROM orders), (SELECT count(*) FROM witnesses)),
            format('≤ {:,} rows', least((SELECT count(DISTINCT number) FROM seeded), (SELECT stock FROM sale)))
    """,
)
