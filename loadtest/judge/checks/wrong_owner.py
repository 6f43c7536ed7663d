"""Wrong owner: the row's buyer is not the one who was told."""

from loadtest.judge.checks import Check
from loadtest.judge.declared import BUYERS, NUMBERS, PROMISES, TOLD_NUMBERS

# Where a number was promised to two buyers and either has the row, its owner is not wrong: `double_promise` reports the other.
CHECK = Check(
    name="wrong_owner",
    sentence="every stored order belongs to the buyer who was told so",
    needs=("ops", "orders", "rejected"),
    scope=(PROMISES, TOLD_NUMBERS, NUMBERS, BUYERS),
    relies=("number", "rows.number", "rows.buyer"),
    witnesses="""
        SELECT format('row {} belongs to {}, but {} was told it is theirs ({})', o.number, o.buyer, p.buyer, p.op) AS text
        FROM (FROM orders ANTI JOIN promises USING (number, buyer)) o JOIN promises p ON p.number = o.number
        WHERE NOT p.withdrawn ORDER BY o.number, o.buyer, p.buyer
    """,
    observed="""
        SELECT format('{:,} rows of another buyer', (SELECT count(*) FROM witnesses)), '0'
    """,
)
