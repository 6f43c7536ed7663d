"""Doubts about the crowd: whether they were answered, enough came, somebody won, and the counts add up."""

from loadtest.judge.doubts import Rule

NO_WIN = Rule(
    ("ops",),
    """SELECT 'nobody won', 'a sale without a success proves nothing: see the errors in the history and logs/'
       WHERE NOT EXISTS (FROM promises) AND NOT EXISTS (FROM settled)""",
)

NO_SOLD_OUT = Rule(
    ("ops",),
    """SELECT 'nobody was told sold-out', 'raise buyers or lower stock, so that the sale reaches its end'
       WHERE NOT EXISTS (FROM asks WHERE outcome = 'sold_out') AND NOT EXISTS (FROM turned_down)""",
)

LOW_DEMAND = Rule(
    ("ops", "sale"),
    """SELECT format('{:,} buyers asked for a stock of {:,}: demand under 2 × stock', d.buyers, units),
              'raise buyers to twice the stock at least, or lower stock'
       FROM demand d, lot, (SELECT if(counted(), (SELECT units FROM offered), stock) AS units FROM sale)
       WHERE d.buyers * smallest < 2 * units""",
)

OTHER_STOCK = Rule(
    ("seeded", "sale"),
    """SELECT format('{:,} numbers were seeded for a stock of {:,}', n, stock), 'see [prepare], and [final] seeded in the manifest'
       FROM sale, (SELECT count(DISTINCT number) AS n FROM seeded) WHERE n <> stock AND has('seeded')""",
)

# |A| ≤ |R| ≤ |A| + |I| follows from the checks: where they all passed and it does not hold, a check has a bug.
UNBALANCED = Rule(
    ("ops", "orders", "rejected", "sale"),
    """SELECT format('counts do not balance: {:,} standing promises, {:,} rows, {:,} unanswered', a, r, i), 'report it as a bug'
       FROM sale, (SELECT (SELECT count(*) FROM promises WHERE NOT withdrawn) AS a, (SELECT count(*) FROM stored) AS r,
           (SELECT sum(units)::BIGINT // any_value(smallest) FROM stored, lot) AS most,
           (SELECT coalesce(sum(rows), 0)::BIGINT FROM explained) AS i, (SELECT count(*) FROM promises WHERE withdrawn) AS w)
       WHERE drained AND (coalesce(most, 0) < a OR r > a + i + w)""",
)

# A buyer without a unit whose every order stayed without an answer may have wanted one that was left.
SILENCE = Rule(
    ("ops", "orders"),
    """WITH silent AS (
           SELECT DISTINCT buyer FROM asks ANTI JOIN turned_back USING (buyer) WHERE outcome = 'unknown' EXCEPT SELECT buyer FROM asks WHERE outcome <> 'unknown'
       ), winners AS (SELECT buyer FROM promises UNION SELECT buyer FROM orders)
       SELECT format('{:,} of {:,} buyers without a unit had no answer', n, losers),
              'let buyers retry, or raise arrivals.timeout_s; see logs/ for why the shop did not answer'
       FROM (SELECT (SELECT count(*) FROM silent ANTI JOIN winners USING (buyer)) AS n,
           (SELECT buyers FROM demand) - (SELECT count(*) FROM winners) AS losers) WHERE n > 0 AND 2 * n > losers""",
)
# What a manifest does not name is unknown; where it names nothing at all, `suspicions` says so. A 5xx is an error of the shop, and unknown whether it is named or not.
UNNAMED = Rule(
    ("ops",),
    """SELECT format('{:,} of {:,} buys were answered {}, which http.buy.outcomes does not name', unnamed, answers, codes),
              'say in [http.buy.outcomes] of the manifest what it means'
       FROM (SELECT count(*) AS answers, count(*) FILTER (WHERE odd) AS unnamed,
               array_to_string(list_sort(list(DISTINCT http_status) FILTER (WHERE odd))[:5], ', ') AS codes
           FROM (SELECT *, outcome = 'unknown' AND http_status NOT BETWEEN 500 AND 599 AS odd FROM asks WHERE http_status IS NOT NULL))
       WHERE 2 * unnamed > answers AND (unnamed < answers OR answers < 3)""",
)

RULES: tuple[Rule, ...] = (UNNAMED, SILENCE, NO_WIN, NO_SOLD_OUT, LOW_DEMAND, OTHER_STOCK)
