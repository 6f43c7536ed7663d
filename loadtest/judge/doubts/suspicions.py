"""Suspicions: that the manifest, and not the shop, is wrong. Where it may be, no check that goes by it says INVALID.

Each holds only where *nothing at all* fits: no answer is named, no number is a row, no buyer of a row ever asked. A shop that is wrong
some of the time, and most of those that are wrong all of the time, does not look so: what it did right fits. `voids` names what is not
to be believed, of the tables and of the names of `loadtest.judge.declared`: a check that relies on none of it still says INVALID.
"""

from dataclasses import dataclass

from loadtest.judge.doubts import Rule

# So few are chance.
FEW = 3


@dataclass(frozen=True)
class Suspicion(Rule):
    """A rule that decides, and what is not to be believed where it applies."""

    voids: tuple[str, ...] = ()


# The first body of the most frequent answers of a kind, outcome and status, as the end of a sentence.
BODY = """coalesce((SELECT '; first body: ' || regexp_replace(left(trim(body), 200), '\\s+', ' ', 'g') FROM answers a
    WHERE a.kind IN ({kinds}) AND a.outcome = {outcome} AND a.status IS NOT DISTINCT FROM {status} AND trim(body) <> '' ORDER BY n DESC LIMIT 1), '')"""
BUY_BODY = BODY.format(kinds="'buy', 'retry'", outcome="usual.outcome", status="usual.http_status")
WON_BODY = BODY.format(kinds="'buy', 'retry'", outcome="'won'", status="a.status")
STEP_BODY = BODY.format(kinds="'before'", outcome="a.outcome", status="usual.http_status")
PAGE_BODY = BODY.format(kinds="'page'", outcome="a.outcome", status="usual.http_status")

UNSERVED = Suspicion(
    ("ops",),
    f"""WITH answered AS (SELECT http_status, outcome FROM asks WHERE http_status IS NOT NULL),
        kinds AS (SELECT http_status, outcome, count(*) AS n FROM answered GROUP BY ALL),
        usual AS (FROM kinds ORDER BY n DESC, http_status LIMIT 1)
        SELECT format('{{:,}} of {{:,}} buys: {{}}, {{}}', total, total,
                (SELECT array_to_string(list(http_status ORDER BY n DESC, http_status)[:5], ', ') FROM (SELECT http_status, sum(n) AS n FROM kinds GROUP BY http_status)),
                (SELECT string_agg(DISTINCT if(outcome = 'unknown', 'no rule', 'refused'), ' or ' ORDER BY if(outcome = 'unknown', 'no rule', 'refused')) FROM kinds))
                || {BUY_BODY},
            'mend the request of [http.buy] in the manifest, or say in [http.buy.outcomes] what such an answer means'
        FROM usual, (SELECT sum(n)::BIGINT AS total FROM kinds)
        WHERE total >= {FEW} AND NOT EXISTS (FROM kinds WHERE outcome NOT IN ('unknown', 'refused') OR http_status >= 500)""",
    voids=("ops",),
)
# A row of whom no answer is recorded may be of an order whose answer was lost.
NEVER_WON = Suspicion(
    ("ops", "orders"),
    f"""WITH answered AS (SELECT buyer, http_status, outcome FROM asks WHERE http_status IS NOT NULL AND (outcome <> 'unknown' OR http_status < 500)),
        theirs AS (FROM answered SEMI JOIN orders USING (buyer)),
        usual AS (SELECT http_status, outcome, count(*) AS n FROM (FROM theirs UNION ALL FROM answered WHERE NOT has('rows.buyer')) GROUP BY ALL
            ORDER BY n DESC, http_status LIMIT 1)
        SELECT format('nobody won by the rules of the manifest, and yet there are {{:,}} rows; most of those who asked were answered {{}}, {{}}',
                (SELECT count(*) FROM stored), usual.http_status, if(usual.outcome = 'unknown', 'no rule', usual.outcome)) || {BUY_BODY},
            'name what a winner is answered won in [http.buy] outcomes of the manifest, or accepted where the decision comes later'
        FROM usual WHERE NOT EXISTS (FROM promises) AND NOT EXISTS (FROM accepted) AND if(has('rows.buyer'), (SELECT count(DISTINCT buyer) FROM theirs),
            (SELECT count(*) FROM stored) - (SELECT count(*) FROM asks WHERE outcome = 'unknown' AND coalesce(http_status, 500) >= 500)) >= {FEW}""",
    voids=("ops",),
)
TURNED_ROUND = Suspicion(
    ("ops", "orders"),
    f"""WITH usual AS (
            SELECT http_status, outcome, count(DISTINCT buyer) AS n FROM asks SEMI JOIN orders USING (buyer)
            WHERE http_status IS NOT NULL AND outcome NOT IN ('unknown', 'won', 'accepted') GROUP BY ALL ORDER BY n DESC, http_status LIMIT 1)
        SELECT format('none of {{:,}} who won has a row, and {{:,}} buyers have one who were answered {{}}, {{}}', (SELECT count(*) FROM promises),
                usual.n, usual.http_status, usual.outcome) || {BUY_BODY},
            'see whether the outcomes of [http.buy] in the manifest are the wrong way round'
        FROM usual WHERE n >= {FEW} AND n = (SELECT count(DISTINCT buyer) FROM orders) AND (SELECT count(*) FROM promises) >= {FEW}
            AND NOT EXISTS (FROM promises SEMI JOIN orders USING (buyer)) AND NOT EXISTS (FROM promises SEMI JOIN orders USING (number))
            AND NOT EXISTS (FROM promises SEMI JOIN seeded USING (number)) AND NOT EXISTS (FROM accepted)""",
    voids=("ops",),
)
# Shops that say everything in the body answer 200 to everybody. A rule that looks into the body is not suspected, nor another status.
ALL_WON = Suspicion(
    ("ops", "orders", "sale"),
    f"""SELECT format('all of {{:,}} buyers were answered 200 and taken for winners, and {{:,}} units were for sale{{}}', buyers, units,
                if(has('rows.buyer'), format('; {{:,}} promises are of buyers without a row', (SELECT count(*) FROM promises ANTI JOIN orders USING (buyer))), '')),
            'where the body tells winners from others, let [http.buy.outcomes] look into it (json, contains); where a decision comes later, say accepted'
        FROM (SELECT buyers FROM demand), (SELECT if(counted(), (SELECT units FROM offered), stock) AS units FROM sale)
        WHERE buyers >= units + {FEW} AND EXISTS (FROM bare_wins WHERE status = 200)
            AND NOT EXISTS (FROM asks WHERE http_status IS NOT NULL AND (http_status <> 200 OR outcome <> 'won'))""",
    voids=("ops",),
)
# A number that was seeded is the right one to tell, whatever became of it.
OTHER_NUMBERS = Suspicion(
    ("ops", "orders", "seeded"),
    f"""WITH told AS (SELECT number, buyer FROM promises WHERE number IS NOT NULL),
        kept AS (SELECT count(DISTINCT t.buyer) AS buyers, min(o.number) AS number FROM told t JOIN orders o ON o.buyer = t.buyer WHERE o.number IS NOT NULL)
        SELECT format('answers told {{:,}} numbers, such as {{}}, of which none is a row, though there are rows{{}}, such as {{}}', n, example,
                if(has('rows.buyer'), ' of the same buyers', ''), coalesce(kept.number, (SELECT min(number) FROM orders))),
            'let number in [http.buy] (or [http.status]) of the manifest name the id that [final] rows selects AS number, or select the one that answers tell'
        FROM kept, (SELECT count(*) AS n, min(number) AS example, count(DISTINCT buyer) AS buyers FROM told) t
        WHERE n >= {FEW} AND NOT EXISTS (FROM told SEMI JOIN orders USING (number)) AND NOT EXISTS (FROM told SEMI JOIN seeded USING (number))
            AND if(has('rows.buyer'), kept.buyers >= {FEW} AND 2 * kept.buyers >= t.buyers, (SELECT count(*) FROM orders WHERE number IS NOT NULL) >= n)""",
    voids=("number",),
)
# What was won is looked up by its buyer then.
NO_NUMBERS = Suspicion(
    ("ops",),
    f"""SELECT format('none of {{:,}} answers that won told a number', n) || {WON_BODY},
            'mend number under [http.buy] in the manifest: where an answer has the id of the order; or take it out'
        FROM (SELECT count(*) AS n FROM asks WHERE outcome = 'won')
        WHERE recorded() AND has('number') AND has('rows.number') AND n >= {FEW} AND NOT EXISTS (FROM told_numbers) AND NOT EXISTS (FROM polled)""",
)
# More rows than stock are too many, whatever their numbers.
STRANGERS = Suspicion(
    ("orders", "seeded", "sale"),
    f"""SELECT format('none of {{:,}} rows has a number that was for sale: rows have such as {{}}, and seeded are such as {{}}', n, example,
                (SELECT min(number) FROM seeded)),
            'where the shop makes its own ids, say [units] kind = "counted" and take out [final] seeded; else let both select the same id'
        FROM (SELECT count(*) AS n, min(number) AS example FROM orders WHERE number IS NOT NULL), sale
        WHERE NOT counted() AND has('seeded') AND n >= {FEW} AND n <= stock AND EXISTS (FROM seeded) AND NOT EXISTS (FROM orders SEMI JOIN seeded USING (number))
            AND NOT EXISTS (FROM orders WHERE number IS NULL)""",
    voids=("rows.number",),
)
STRANGE_TOKENS = Suspicion(
    ("tokens", "seeded"),
    f"""SELECT format('none of {{:,}} tokens is a number that was seeded: tokens are such as {{}}, and seeded such as {{}}', n, example, (SELECT min(number) FROM seeded)),
            'let [final] tokens and seeded of the manifest read the same numbers'
        FROM (SELECT count(*) AS n, min(number) AS example FROM tokens) WHERE has('seeded') AND n >= {FEW} AND NOT EXISTS (FROM tokens SEMI JOIN seeded USING (number))""",
    voids=("tokens",),
)
STRANGE_ITEMS = Suspicion(
    ("orders",),
    f"""SELECT format('none of {{:,}} rows is of an item that was for sale: rows have such as {{}}, and for sale were {{}}', n, coalesce(example, 'NULL'), names),
            'let [units] items of the manifest and item in [final] rows have the same names'
        FROM (SELECT count(*) AS n, min(item) AS example FROM orders), (SELECT string_agg(item, ', ' ORDER BY item) AS names FROM items)
        WHERE has('rows.item') AND n >= {FEW} AND names IS NOT NULL AND NOT EXISTS (FROM orders SEMI JOIN items USING (item))""",
    voids=("rows.item",),
)
# Rows are of this sale where their numbers are, or where all of them were created in it.
OF_THIS_SALE = """(EXISTS (FROM orders SEMI JOIN promises USING (number)) OR EXISTS (FROM orders SEMI JOIN seeded USING (number))
    OR coalesce((SELECT count(*) = count(created_ns) AND min(created_ns) >= any_value(t0_ns) - 1000000000 FROM orders, sale), false))"""
NOBODY = f"""
    SELECT format('none of the buyers in {{:,}} rows is one who asked: rows have such as {{}}, and those who asked are such as {{}}', n, example,
            (SELECT buyer FROM asks LIMIT 1)),
        'select what the manifest''s {{buyer}} is AS buyer in [final] rows, of this sale alone'
    FROM (SELECT count(buyer) AS n, min(buyer) AS example FROM orders)
    WHERE has('rows.buyer') AND n >= {FEW} AND EXISTS (FROM asks) AND NOT EXISTS (FROM ops SEMI JOIN orders USING (buyer)) AND NOT EXISTS (FROM excused)
"""
OTHER_NAMES = Suspicion(("ops", "orders"), f"{NOBODY} AND {OF_THIS_SALE}", voids=("rows.buyer",))
OTHER_ROWS = Suspicion(("ops", "orders"), f"{NOBODY} AND NOT {OF_THIS_SALE}", voids=("orders",))
# They are set aside, and what is judged is the rest.
EARLIER_ROWS = Suspicion(
    ("orders", "sale"),
    """SELECT format('{:,} of {:,} rows were created over a minute before the sale, the first at {}', n, n + (SELECT count(*) FROM orders), since_t0(first_ns)),
            'let [prepare] of the manifest take away the rows of earlier sales, or let [final] rows select those of this one'
        FROM (SELECT count(*) AS n, min(created_ns) AS first_ns FROM earlier) WHERE n > 0""",
)
NO_ROWS = Suspicion(
    ("ops", "orders"),
    f"""SELECT format('{{:,}} buyers were told that their orders are confirmed, nobody was told otherwise, and there is no row at all', n),
            'see whether [final] rows of the manifest reads the right table, and the rows of this sale'
        FROM (SELECT count(DISTINCT buyer) AS n FROM said WHERE state = 'confirmed')
        WHERE n >= {FEW} AND NOT EXISTS (FROM orders) AND NOT EXISTS (FROM said WHERE coalesce(state <> 'confirmed', true))""",
    voids=("orders",),
)
LARGE_ORDERS = Suspicion(
    ("orders", "sale"),
    f"""SELECT format('every order is of {{:,}} units or more, and per_buyer allows {{:,}}', smallest, per_buyer),
            'set per_buyer of the experiment to the units that one buyer may have'
        FROM lot, sale WHERE has('rows.quantity') AND smallest > per_buyer AND (SELECT count(DISTINCT buyer) FROM orders) >= {FEW}""",
    voids=("rows.quantity",),
)
STEPS = f"""
    WITH last_steps AS (
        SELECT buyer, arg_max(http_status, nth) AS http_status, arg_max(coalesce(error, 'no reason was recorded'), nth) AS error, buyer IN (SELECT buyer FROM turned_back) AS failed
        FROM (SELECT *, coalesce(end_ns, 9223372036854775807) AS nth FROM ops WHERE kind = 'before') GROUP BY buyer
    ), usual AS (SELECT http_status, error, count(*) AS n FROM last_steps WHERE failed GROUP BY ALL ORDER BY n DESC, error LIMIT 1)
    SELECT format('a step before the purchase failed for {{:,}} of {{:,}} buyers: {{}}', failed, total, usual.error) || {STEP_BODY},
        'mend [[http.before]] of the manifest: its request, what it expects and captures; and see that these users exist'
    FROM usual, (SELECT count(*) AS total, count(*) FILTER (WHERE failed) AS failed FROM last_steps) WHERE failed >= {FEW} AND
"""
NO_STEPS = Suspicion(("ops",), STEPS + "failed = total", voids=("ops",))
FEW_STEPS = Suspicion(("ops",), STEPS + "2 * failed > total AND failed < total")
COLD = Suspicion(
    ("ops", "sale"),
    f"""WITH pages AS (SELECT ops.* FROM ops, sale WHERE kind = 'page' AND recorded() AND start_ns < t0_ns AND http_status IS NOT NULL),
        usual AS (SELECT http_status, count(*) AS n FROM pages GROUP BY ALL ORDER BY n DESC, http_status LIMIT 1)
        SELECT format('the warm-up of all {{:,}} buyers failed: {{}}', (SELECT count(DISTINCT buyer) FROM pages), usual.http_status) || {PAGE_BODY},
            'mend [http] warm of the manifest, or take it out'
        FROM usual WHERE (SELECT count(*) FROM pages) >= {FEW} AND NOT EXISTS (FROM pages WHERE outcome NOT IN ('unknown', 'refused'))""",
)

RULES: tuple[Suspicion, ...] = (
    NO_STEPS,
    FEW_STEPS,
    UNSERVED,
    NEVER_WON,
    TURNED_ROUND,
    ALL_WON,
    EARLIER_ROWS,
    OTHER_ROWS,
    OTHER_NAMES,
    NO_ROWS,
    STRANGERS,
    STRANGE_ITEMS,
    STRANGE_TOKENS,
    OTHER_NUMBERS,
    NO_NUMBERS,
    LARGE_ORDERS,
    COLD,
)
