"""Duplicate: a number with more than one row. What a UNIQUE constraint refused is a near miss: counted, not judged."""

from loadtest.judge.checks import Check

CHECK = Check(
    name="duplicate",
    sentence="no number was stored twice",
    needs=("orders",),
    witnesses="""
        SELECT format('{} has {} rows: {}', number, count(*),
            array_to_string(list(coalesce(buyer, 'NULL') ORDER BY created_ns, buyer)[:4], ', ')) AS text
        FROM orders WHERE number IS NOT NULL GROUP BY number HAVING count(*) > 1 ORDER BY number
    """,
    observed="""
        SELECT format('{:,} numbers twice, {:,} near misses', (SELECT count(*) FROM witnesses),
            coalesce((SELECT near_misses FROM sale), 0)), '0 twice'
    """,
)
