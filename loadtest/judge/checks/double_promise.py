"""Double promise: one number acknowledged to two buyers.

It is invalid even where a UNIQUE constraint kept one row, and even where one of the two was later told that the order is
rejected: both had been told that the unit is theirs. *Warning:* a shop that sells a returned unit again must give it a new number to pass.
"""

from loadtest.judge.checks import Check
from loadtest.judge.declared import NUMBERS, PROMISES, TOLD_NUMBERS

CHECK = Check(
    name="double_promise",
    sentence="no number was acknowledged to two buyers",
    needs=("ops",),
    scope=(PROMISES, TOLD_NUMBERS, NUMBERS),
    relies=("number",),
    witnesses="""
        SELECT format('{} was promised to {} buyers: {}', number, count(*),
            array_to_string(list(buyer || ' (' || op || ')' ORDER BY told_ns, op)[:4], ', ')) AS text
        FROM promises WHERE number IS NOT NULL GROUP BY number HAVING count(*) > 1 ORDER BY number
    """,
    observed="""
        SELECT format('{:,} of {:,} promised numbers', (SELECT count(*) FROM witnesses), count(DISTINCT number)), '0'
        FROM promises
    """,
)
