"""Duplicate: a number with more than one row. What a UNIQUE constraint refused is a near miss: counted, not judged.

Of counted units an order may have a row for each of its items, so that only a second row of the same item is a duplicate.
"""

from loadtest.judge.checks import Check
from loadtest.judge.declared import NUMBERS

CHECK = Check(
    name="duplicate",
    sentence="no number was stored twice",
    needs=("orders",),
    scope=(NUMBERS,),
    relies=("rows.number",),
    witnesses="""
        SELECT format('{} has {} rows: {}', number, count(*),
            array_to_string(list(coalesce(buyer, 'NULL') ORDER BY created_ns, buyer)[:4], ', ')) AS text
        FROM orders WHERE number IS NOT NULL GROUP BY number, if(counted(), item, NULL) HAVING count(*) > 1 ORDER BY number
    """,
    observed="""
        SELECT format('{:,} numbers twice, {:,} near misses', (SELECT count(*) FROM witnesses),
            coalesce((SELECT near_misses FROM sale), 0)), '0 twice'
    """,
)
