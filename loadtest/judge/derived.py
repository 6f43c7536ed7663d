"""Derived tables: SQL for what follows from the tables that a run recorded. Defined here, in `spans` and in `dates`, and nowhere else.

    stored     the stored orders: a row for each, with its `units`. Rows of one order that differ in their item are one order
    lot        the units of the `smallest` and of the `largest` stored order; 1 and 1 where rows have no quantity, or are numbered
    asks       the orders placed: ops of kind `buy` and `retry` that left; a number without a character is NULL, and so is every number
               where rows have none: nothing could be looked up by it
    never_left orders that were never sent: no connection, no address, no port
    clicks     ops of kind `buy` and `retry`, with when the click began (`start_ns`): a step that is part of it goes before the order, and
               how long the shop takes for its answer is no lateness of the generator
    turned_back buyers whose last step before the purchase, such as a log-in, failed
    demand     how many `buyers` placed orders, were not refused every time and not turned back, and how many of these were `answered`
               or have a row
    scheduled  the part of the plan that comes after T0: empty unless arrivals were open
    polls      what buyers were told of an order: ops of kind `status`. Where no number was recorded, that of the buyer's only promise
    said       for each (buyer, number) the last poll that said confirmed or rejected (`state`, `told_ns`, `op`; NULL where none
               did), and the last that said anything (`last_start_ns`, `last_end_ns`, `last_op`)
    told_rejected  the rejections, in the final read or in the last word of the buyer's polls; number NULL where it is not known
    accepted   buyers of whom an order was accepted; `settled`: those of them who have a row or were told confirmed; `turned_down`: those who
               were told rejected, or have no row though everything was sold
    polled     the numbers that polls were first to tell: of a `won` without one, and of an `accepted` order that was confirmed
    promises   A: one row for each (buyer, number) that a buyer was told is theirs, and one for each `won` without a number, unless a
               later `already_bought` or a poll told its number. `withdrawn` where it was explicitly rejected. An `accepted` order
               promises nothing before a poll confirms it
    explained  for each buyer, how many rows without a promise may come from unanswered orders, from accepted ones that no poll has
               confirmed, or from wins without a number. Any row is explained of a buyer whose generator is not whole, as they may
               have asked any number of times
    generators a row for each process that buyers ran in, where there were several. One that died before it had delivered its
               history is not `whole`; `missing` is how many of its planned buy requests may or may not have been sent
    moved      by how many nanoseconds the clock of a generator was seen to move during the sale
    apart      by how many nanoseconds the times of two generators, or of one, may be wrong beside each other
    excused    buyers with rows who may have asked any number of times: nobody knows, as a generator died
    ways       the way of each order to its row: when its buyer first asked (NULL: not known), was told, and when it was created
    undated    why the rows' times of creation cannot be relied on, as (text, remedy); empty where they can
    asked_for  the faults that the experiment asks for
    patience   how long a buyer waits for an answer; empty where the experiment does not say
    held       C: claims whose number is neither a row of that buyer, nor queued, nor a rejection of that buyer. Any row will do where
               rows or claims have no buyer, or none of the claims' buyers is one who asked. Of counted units: claims of whose number
               and whose buyer there is neither
    offered    of counted units: how many were for sale, of all items together
    placed     the seeded numbers that are not in exactly one place: in how many `places`, and which (`named`)
    limits     the orders a second that all workers together were allowed, from one change to the next; NULL without a limiter
    clock      T0; whether the harness stopped waiting before its own deadline (`cut_short`); whether the sale has not drained
               and workers may hold orders whose numbers the broker does not show (`veiled`)
    row_seconds the one-second windows that begin with a row: (began_ns, n), n rows within it
    watched    moments from T0 to the last row, and whether a backlog stood then
    backlogs   the spans of two seconds and more in which a backlog stood, and the rate at which rows were written meanwhile
    late_wins  wins that were asked for after a buyer had been told sold-out (`late` = 1), and units that came back (0)
    unseen     the spans in which one may have stood, and nothing shows whether it did

Queries only; `loadtest.judge.tables.open_tables` makes the tables.
"""

from loadtest.judge.dates import UNDATED
from loadtest.judge.declared import Scope
from loadtest.judge.late_wins import LATE_WINS
from loadtest.judge.spans import BACKLOGS, ROW_SECONDS, UNSEEN, WATCHED
from loadtest.record.database import quoted

ORDERS = """
CREATE MACRO op_name(generator, op_id) AS 'op ' || op_id || ' of ' || generator;
CREATE MACRO never_sent(outcome, http_status) AS coalesce(outcome = 'refused' AND http_status IS NULL, false);
CREATE MACRO since_t0(ns) AS format('T0 {:+.3f} s', (ns - (SELECT t0_ns FROM sale)) / 1e9);
CREATE TEMP TABLE asks AS
    SELECT * REPLACE (linked(number) AS number)
    FROM ops WHERE kind IN ('buy', 'retry') AND NOT never_sent(outcome, http_status);
CREATE TEMP TABLE never_left AS FROM ops WHERE kind IN ('buy', 'retry') AND never_sent(outcome, http_status);
CREATE TEMP TABLE first_steps AS
    SELECT buyer, scheduled_ns, min(start_ns) AS start_ns FROM ops WHERE kind = 'before' GROUP BY buyer, scheduled_ns;
CREATE VIEW clicks AS
    SELECT o.* REPLACE (least(o.start_ns, step.start_ns) AS start_ns) FROM ops o LEFT JOIN first_steps step USING (buyer, scheduled_ns)
    WHERE kind IN ('buy', 'retry');
CREATE TEMP TABLE turned_back AS
    SELECT buyer FROM ops WHERE kind = 'before' GROUP BY buyer
    HAVING arg_max(outcome, coalesce(end_ns, 9223372036854775807)) IN ('unknown', 'refused');
CREATE TEMP TABLE demand AS
    SELECT count(*) AS buyers, count(*) FILTER (WHERE answered OR buyer IN (SELECT buyer FROM orders)) AS answered
    FROM (SELECT buyer, bool_or(outcome <> 'unknown') AS answered FROM asks WHERE outcome <> 'refused' GROUP BY buyer)
    ANTI JOIN turned_back USING (buyer);
CREATE VIEW scheduled AS FROM plan WHERE offset_ns > 0;
CREATE TEMP TABLE told_numbers AS
    SELECT number, buyer, min(end_ns) AS told_ns, arg_min(op_name(generator, op_id), end_ns) AS op, bool_or(outcome = 'won') AS won
    FROM asks WHERE outcome IN ('won', 'already_bought') AND number IS NOT NULL GROUP BY number, buyer;
CREATE TEMP TABLE open_ended AS
    SELECT buyer, bool_or(outcome = 'won') AS won FROM asks WHERE outcome = 'accepted' OR (outcome = 'won' AND number IS NULL) GROUP BY buyer;
CREATE TEMP TABLE polled AS
    SELECT linked(number) AS number, buyer, min(end_ns) AS told_ns, arg_min(op_name(generator, op_id), end_ns) AS op
    FROM (FROM ops WHERE kind = 'status' AND linked(number) IS NOT NULL) JOIN open_ended USING (buyer)
    WHERE outcome = 'confirmed' OR (won AND outcome = 'pending') GROUP BY ALL;
CREATE TEMP TABLE acknowledged AS
    WITH numbered AS (
        FROM told_numbers UNION ALL SELECT *, false FROM polled ANTI JOIN told_numbers USING (number, buyer)
    )
    SELECT number, buyer, told_ns, op FROM numbered
    UNION ALL
    SELECT NULL, buyer, end_ns, op FROM (
        SELECT buyer, end_ns, op_name(generator, op_id) AS op, row_number() OVER (PARTITION BY buyer ORDER BY end_ns, op_id) AS nth
        FROM asks WHERE outcome = 'won' AND number IS NULL
    ) LEFT JOIN (SELECT buyer, count(*) AS named FROM numbered WHERE NOT won GROUP BY buyer) USING (buyer) WHERE nth > coalesce(named, 0);
CREATE TEMP TABLE sole AS SELECT buyer, any_value(number) AS number FROM acknowledged GROUP BY buyer HAVING count(*) = 1;
CREATE TEMP TABLE polls AS
    SELECT coalesce(linked(o.number), sole.number) AS number, buyer, outcome, http_status, start_ns, end_ns, op_name(generator, op_id) AS op
    FROM ops o LEFT JOIN sole USING (buyer) WHERE kind = 'status';
CREATE TEMP TABLE said AS
    SELECT buyer, number, arg_max(outcome, end_ns) FILTER (WHERE outcome <> 'pending') AS state,
        max(end_ns) FILTER (WHERE outcome <> 'pending') AS told_ns, arg_max(op, end_ns) FILTER (WHERE outcome <> 'pending') AS op,
        arg_max(start_ns, end_ns) AS last_start_ns, max(end_ns) AS last_end_ns, arg_max(op, end_ns) AS last_op
    FROM polls WHERE outcome IN ('pending', 'confirmed', 'rejected') GROUP BY buyer, number;
CREATE TEMP TABLE told_rejected AS
    SELECT DISTINCT number, buyer FROM rejected UNION SELECT number, buyer FROM said WHERE state = 'rejected';
CREATE TEMP TABLE promises AS
    SELECT a.*, r.number IS NOT NULL AS withdrawn FROM acknowledged a JOIN told_rejected r USING (number, buyer)
    UNION ALL
    SELECT a.*, false FROM acknowledged a ANTI JOIN told_rejected USING (number, buyer) WHERE number IS NOT NULL
    UNION ALL
    SELECT a.* EXCLUDE nth, nth <= coalesce(returned, 0) FROM (
        SELECT *, row_number() OVER (PARTITION BY buyer ORDER BY told_ns, op) AS nth FROM acknowledged WHERE number IS NULL
    ) a LEFT JOIN (
        SELECT buyer, count(*) AS returned FROM told_rejected r ANTI JOIN acknowledged USING (number, buyer)
        WHERE number IS NOT NULL OR buyer IN (SELECT buyer FROM sole) GROUP BY buyer
    ) USING (buyer);
CREATE VIEW accepted AS SELECT DISTINCT buyer FROM asks WHERE outcome = 'accepted';
CREATE VIEW settled AS
    SELECT buyer FROM accepted WHERE buyer IN (SELECT buyer FROM orders) OR (EXISTS (FROM orders) AND NOT has('rows.buyer'))
    UNION SELECT buyer FROM said SEMI JOIN accepted USING (buyer) WHERE state = 'confirmed';
CREATE VIEW turned_down AS
    SELECT buyer FROM said SEMI JOIN accepted USING (buyer) WHERE state = 'rejected'
    UNION ALL SELECT buyer FROM accepted ANTI JOIN orders USING (buyer)
        WHERE (SELECT sum(units) FROM stored) >= coalesce((SELECT sum(units) FROM items), (SELECT stock FROM sale))
            AND (SELECT count(*) FROM accepted) > (SELECT count(*) FROM stored);
CREATE TEMP TABLE generators AS
    SELECT c.*, if(whole, 0, greatest(0, planned - (SELECT count(*) FROM ops o WHERE o.generator = c.generator AND kind = 'buy'))) AS missing
    FROM crew c;
CREATE TEMP TABLE moved AS
    SELECT generator, max(abs(o.value * 1e6 - offset_ns))::BIGINT AS moved_ns
    FROM generators g
    JOIN samples o ON o.probe = 'generator' AND o.metric = generator || '.clock_offset_ms' AND o.time_ns > (SELECT t0_ns FROM sale)
    JOIN samples u ON u.probe = 'generator' AND u.metric = generator || '.clock_uncertainty_ms' AND u.time_ns = o.time_ns
    GROUP BY generator HAVING max(abs(o.value * 1e6 - offset_ns) - u.value * 1e6 - coalesce(uncertainty_ns, 0)) > 5e6;
CREATE TEMP TABLE apart AS
    SELECT a.generator AS one, b.generator AS other, if(one = other, 0,
        coalesce((SELECT sum(uncertainty_ns) FROM crew WHERE crew.generator IN (a.generator, b.generator)), 0))
        + coalesce((SELECT sum(moved_ns) FROM moved WHERE moved.generator IN (a.generator, b.generator)), 0) AS apart_ns
    FROM (SELECT DISTINCT generator FROM asks) a, (SELECT DISTINCT generator FROM asks) b;
CREATE TEMP TABLE explained AS
    SELECT buyer, sum(rows)::BIGINT AS rows FROM (
        SELECT buyer, count(*) AS rows FROM asks
        WHERE outcome = 'unknown' OR (outcome IN ('won', 'already_bought') AND number IS NULL) GROUP BY buyer
        UNION ALL
        SELECT buyer, greatest(rows - coalesce(told, 0), 0) FROM (SELECT buyer, count(*) AS rows FROM asks WHERE outcome = 'accepted' GROUP BY buyer)
            LEFT JOIN (SELECT buyer, count(*) AS told FROM polled GROUP BY buyer) USING (buyer)
        UNION ALL SELECT buyer, 1000000 FROM excused
    ) GROUP BY buyer;
CREATE TEMP TABLE ways AS
    SELECT o.number, o.buyer, started_ns, coalesce(p.told_ns, w.told_ns) AS told_ns, created_ns FROM stored o
    LEFT JOIN (SELECT number, buyer, min(told_ns) AS told_ns FROM promises WHERE number IS NOT NULL GROUP BY ALL) p
        ON p.number = o.number AND p.buyer = o.buyer
    LEFT JOIN (SELECT buyer, min(told_ns) AS told_ns FROM promises WHERE number IS NULL GROUP BY buyer) w ON w.buyer = o.buyer
    LEFT JOIN (SELECT buyer, min(start_ns) AS started_ns FROM asks SEMI JOIN orders USING (buyer) GROUP BY buyer) a ON a.buyer = o.buyer
    WHERE created_ns IS NOT NULL;
"""
# The names that the harness gives have a number, by which the generator is known. Whose any other name is, nobody knows: where buyers have
# such, a row of somebody who was never heard of may be of one whose generator died.
EXCUSED = """
CREATE TEMP TABLE excused AS
    SELECT DISTINCT buyer FROM orders, crew WHERE NOT whole AND (starts_with(buyer, 's-') OR (regexp_full_match(buyer, 'b-[0-9]+')
        AND try_cast(buyer[3:] AS BIGINT) BETWEEN first_buyer AND last_buyer AND (try_cast(buyer[3:] AS BIGINT) - first_buyer) % taking_turns = 0))
    UNION
    SELECT buyer FROM orders ANTI JOIN ops USING (buyer) WHERE NOT regexp_full_match(buyer, 'b-[0-9]+')
        AND EXISTS (FROM ops WHERE NOT regexp_full_match(buyer, '[bs]-[0-9]+'))
    UNION
    SELECT buyer FROM ops SEMI JOIN (FROM crew WHERE NOT whole) USING (generator) SEMI JOIN orders USING (buyer);
"""
NONE_EXCUSED = "CREATE TEMP TABLE excused (buyer VARCHAR);"
HELD = """
CREATE TEMP TABLE held AS
    WITH strange AS (SELECT EXISTS (FROM asks) AND NOT EXISTS (FROM claims SEMI JOIN asks USING (buyer)) AS names)
    SELECT DISTINCT number, buyer FROM claims
    ANTI JOIN orders USING (number, buyer) ANTI JOIN queue USING (number) ANTI JOIN rejected USING (number, buyer)
    ANTI JOIN (SELECT number FROM orders, strange WHERE buyer IS NULL OR names) USING (number)
    WHERE buyer IS NOT NULL OR number NOT IN (SELECT number FROM orders WHERE number IS NOT NULL);
"""
# A claim may be kept by number, by buyer, or as a set of the buyers who have one.
HELD_OF_COUNTED = """
CREATE TEMP TABLE held AS
    SELECT DISTINCT number, buyer FROM claims ANTI JOIN queue USING (number) ANTI JOIN orders USING (number) ANTI JOIN told_rejected USING (number)
    WHERE number NOT IN (SELECT buyer FROM orders WHERE buyer IS NOT NULL UNION ALL SELECT buyer FROM told_rejected WHERE buyer IS NOT NULL)
        AND (buyer IS NULL OR buyer NOT IN (SELECT buyer FROM orders WHERE buyer IS NOT NULL UNION ALL SELECT buyer FROM told_rejected WHERE buyer IS NOT NULL));
"""
LEDGER = """
CREATE TEMP TABLE offered AS SELECT coalesce((SELECT sum(units)::BIGINT FROM items), (SELECT stock FROM sale)) AS units;
CREATE TEMP TABLE placed AS
    WITH elsewhere AS (
        SELECT number FROM tokens UNION SELECT number FROM orders UNION SELECT number FROM queue UNION SELECT number FROM held
    ), places AS (
        SELECT number, 'tokens' AS place FROM tokens
        UNION ALL SELECT number, 'claims' FROM held
        UNION ALL SELECT DISTINCT number, 'queue' FROM queue ANTI JOIN orders USING (number)
        UNION ALL SELECT DISTINCT number, 'rows' FROM orders
        UNION ALL SELECT DISTINCT number, 'rejected' FROM rejected ANTI JOIN elsewhere USING (number)
        UNION ALL SELECT DISTINCT number, 'rejected' FROM rejected SEMI JOIN orders USING (number, buyer)
    )
    SELECT number, count(place) AS places, array_to_string(list(place ORDER BY place), ', ') AS named
    FROM (SELECT DISTINCT number FROM seeded) LEFT JOIN places USING (number) GROUP BY number HAVING places <> 1;
CREATE TEMP TABLE limits AS
    SELECT from_ns, lead(from_ns, 1, 4000000000000000000) OVER (ORDER BY from_ns) AS to_ns, allowed_per_s FROM (
        SELECT 0::BIGINT AS from_ns, configured_per_s AS allowed_per_s FROM sale
        UNION ALL SELECT time_ns, together_per_s FROM changes WHERE answered > 0
    );
CREATE TEMP TABLE clock AS
    SELECT t0_ns, drained, deadline_s, NOT drained AND coalesce(
        (SELECT max(time_ns) FROM samples WHERE probe = 'run' AND metric = 'phase.reading') < t0_ns + (deadline_s - 1) * 1e9,
        false) AS cut_short, NOT drained AND EXISTS (FROM queue WHERE number IS NULL) AS veiled
    FROM sale;
"""
# One order may have a row for each of its items; a second row of the same item is another order.
LINES = """
    SELECT number, buyer, min(created_ns) AS created_ns, sum(coalesce(quantity, 1))::BIGINT AS units FROM (
        SELECT *, row_number() OVER (PARTITION BY number, buyer, item ORDER BY created_ns) AS nth FROM orders
    ) GROUP BY number, buyer, nth
"""
# Expensive queries that several checks and figures use: computed once, as tables.
ASKED_OFTEN = {
    "row_seconds": ROW_SECONDS,
    "watched": WATCHED,
    "backlogs": BACKLOGS,
    "unseen": UNSEEN,
    "late_wins": LATE_WINS,
}


def derived(scope: Scope, whole: bool) -> str:
    """The statements that make the derived tables of a run with this scope. `whole`: the history of every generator is there."""
    return "".join(
        [
            _macros(scope),
            NONE_EXCUSED if whole else EXCUSED,
            ORDERS,
            HELD_OF_COUNTED if scope.counted else HELD,
            LEDGER,
            UNDATED,
        ]
    )


def _macros(scope: Scope) -> str:
    """What depends on the scope: ``has(name)``, whether it is declared; ``counted()``, whether units are; ``recorded()``, whether
    the run says so itself; ``linked(number)``, a number that rows have, too; and ``stored``."""
    names = ", ".join(quoted(name) for name in sorted(scope.declared))
    number = "nullif(trim(number), '')" if scope.has("rows.number") else "CAST(NULL AS VARCHAR)"
    units = "coalesce(quantity, 1)" if scope.counted else "1"
    return f"""
CREATE MACRO has(name) AS list_contains([{names}]::VARCHAR[], name);
CREATE MACRO counted() AS {scope.counted};
CREATE MACRO recorded() AS {scope.recorded};
CREATE MACRO linked(number) AS {number};
CREATE VIEW stored AS {LINES if scope.has("rows.item") and scope.counted else "SELECT number, buyer, created_ns, " + units + " AS units FROM orders"};
CREATE TEMP TABLE lot AS SELECT greatest(coalesce(min(units), 1), 1) AS smallest, greatest(coalesce(max(units), 1), 1) AS largest FROM stored;
"""
