"""Lockout: a buyer was told *already bought*, and has nothing: neither a unit, nor a way to get one.

Anything of that buyer's will do: a row, a claim, a queued order, a promise, a rejection. An unanswered order that took a unit has left one
of these. Where *already bought* named a number it was a promise, and `lost` and `double_promise` judge it.

Entries of the queue name no buyer. Before the sale has drained, one that is neither a claim's nor a promise's may be theirs. Nor is it a lockout where an order of
that buyer was accepted: *already* then means that it waits for its turn.
"""

from loadtest.judge.checks import Check
from loadtest.judge.declared import BUYERS

TOLD = "SELECT buyer, min(end_ns) AS told_ns, arg_min(op_name(generator, op_id), end_ns) AS op FROM asks WHERE outcome = 'already_bought' GROUP BY buyer"
LOCKED_OUT = f"""
    SELECT * FROM ({TOLD}) ANTI JOIN orders USING (buyer) ANTI JOIN claims USING (buyer) ANTI JOIN promises USING (buyer)
        ANTI JOIN told_rejected USING (buyer) ANTI JOIN (SELECT buyer FROM asks WHERE outcome = 'accepted') USING (buyer)
"""
# Why what has no buyer's name on it may be theirs; no row where nothing may.
MAYBE = """
    SELECT 'the run was stopped before its deadline' AS why, 'let it reach drain.deadline_s, or drain' AS remedy FROM clock WHERE cut_short
    UNION ALL
    SELECT 'orders were queued that may be theirs', 'raise drain.deadline_s, so that the sale drains' FROM clock
    WHERE NOT drained AND NOT cut_short AND EXISTS (
        FROM queue WHERE number IS NULL OR number NOT IN (
            SELECT number FROM claims WHERE number IS NOT NULL UNION ALL SELECT number FROM promises WHERE number IS NOT NULL))
    UNION ALL
    SELECT 'there are rows or claims without a buyer', 'select the buyer in [final] rows and claims of the manifest'
    WHERE EXISTS (FROM orders WHERE buyer IS NULL) OR EXISTS (FROM held WHERE buyer IS NULL)
"""

CHECK = Check(
    name="lockout",
    sentence="nobody was told that they had bought already who has nothing",
    needs=("ops", "orders", "claims", "queue", "rejected", "sale"),
    scope=(BUYERS,),
    relies=("rows.buyer",),
    witnesses=f"""
        SELECT format('{{}} was told that they have bought already ({{}}, {{}}), and has no row, claim, queued order, promise or return',
            buyer, op, since_t0(told_ns)) AS text
        FROM ({LOCKED_OUT}) WHERE NOT EXISTS ({MAYBE}) ORDER BY buyer
    """,
    observed=f"""
        SELECT format('{{:,}} of {{:,}} buyers who were told already bought', (SELECT count(*) FROM witnesses), count(*)), '0' FROM ({TOLD})
    """,
    unsettled=f"""
        SELECT format('{{:,}} buyers were told that they have bought already, and nothing of theirs was found; {{}}', n, why), remedy
        FROM (SELECT count(*) AS n FROM ({LOCKED_OUT})), ({MAYBE}) WHERE n > 0
    """,
)
