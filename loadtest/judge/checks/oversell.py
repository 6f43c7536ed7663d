"""Oversell: more rows than stock, or a row for a number that was never for sale.

Of counted units: more units in the rows than there were, of any item where there are several; or a row of an item that was never for sale.
"""

from loadtest.judge.checks import Check
from loadtest.judge.declared import ITEMS, ROW_IDS, ROWS, SEEDED

# The latest rows, until they have all units beyond the stock (`excess`); of the first of these only `units` are too many.
SURPLUS = """
    WITH stocks AS (
        SELECT item, units FROM items WHERE has('rows.item')
        UNION ALL SELECT '', units FROM offered WHERE NOT has('rows.item') OR NOT EXISTS (FROM items)
    ), sold AS (
        SELECT * REPLACE (coalesce(quantity, 1) AS quantity), if(has('rows.item') AND EXISTS (FROM items), coalesce(item, 'NULL'), '') AS kind FROM orders
    ), counted AS (
        SELECT sold.*, s.units IS NULL AS stranger, coalesce(s.units, 0) AS stock, row_number() OVER (ORDER BY created_ns, number, buyer) AS nth,
            sum(quantity) OVER (PARTITION BY kind) - coalesce(s.units, 0) AS excess,
            sum(quantity) OVER (PARTITION BY kind ORDER BY created_ns, number, buyer ROWS UNBOUNDED PRECEDING)::BIGINT AS upto
        FROM sold LEFT JOIN stocks s ON s.item = kind
    )
    SELECT *, least(quantity, upto - stock)::BIGINT AS units FROM counted WHERE excess > 0 AND upto > stock AND quantity > 0
"""
COUNTED = Check(
    name="oversell",
    sentence="no more units were stored as sold than there were",
    needs=("orders", "sale"),
    scope=(ROWS, ITEMS),
    relies=("rows.item",),
    witnesses=f"""
        SELECT CASE WHEN stranger THEN format('row {{}} of {{}}: the item {{}} was never for sale', coalesce(number, 'without a number'),
                coalesce(buyer, 'nobody named'), kind)
            ELSE format('row {{}} of {{}} is of unit {{}} of a stock of {{:,}}{{}}', coalesce(number, 'without a number'), coalesce(buyer, 'nobody named'),
                if(quantity = 1, format('{{:,}}', upto), format('{{:,}} to {{:,}}', upto - quantity + 1, upto)), stock,
                if(kind = '' OR (SELECT count(*) FROM items) = 1, '', ' of ' || kind)) END AS text, units
        FROM ({SURPLUS}) ORDER BY nth DESC
    """,
    observed="""
        SELECT format('{:,} units, {:,} oversold', coalesce((SELECT sum(units)::BIGINT FROM stored), 0),
                coalesce((SELECT sum(units)::BIGINT FROM witnesses), 0)),
            format('≤ {:,} units{}', units, coalesce((SELECT ': ' || string_agg(format('{:,} of {}', units, item), ', ' ORDER BY item)
                FROM items HAVING count(*) > 1), ''))
        FROM offered
    """,
    units="SELECT sum(units)::BIGINT FROM witnesses",
)
# Witnesses: every row whose number was never seeded, then the latest rows, until there are as many as rows beyond the stock.
CHECK = Check(
    name="oversell",
    sentence="no more orders were stored than there was stock, each for a seeded number",
    needs=("seeded", "orders"),
    scope=(SEEDED, ROWS, ROW_IDS),
    relies=("rows.number",),
    counted=COUNTED,
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
