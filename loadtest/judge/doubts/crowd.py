"""Doubts about the crowd: whether enough buyers came, somebody won, and the counts add up."""

from loadtest.judge.doubts import Rule

NO_WIN = Rule(
    ("ops",),
    """SELECT 'nobody won', 'a sale without a success proves nothing: see the errors in the history and logs/'
       WHERE NOT EXISTS (FROM promises)""",
)

NO_SOLD_OUT = Rule(
    ("ops",),
    """SELECT 'nobody was told sold-out', 'raise buyers or lower stock, so that the sale reaches its end'
       WHERE NOT EXISTS (FROM asks WHERE outcome = 'sold_out')""",
)

LOW_DEMAND = Rule(
    ("ops", "sale"),
    """SELECT format('{:,} buyers asked for a stock of {:,}: demand under 2 × stock', d.buyers, stock),
              'raise buyers to twice the stock at least, or lower stock'
       FROM demand d, sale WHERE d.buyers < 2 * stock""",
)

OTHER_STOCK = Rule(
    ("seeded", "sale"),
    """SELECT format('{:,} numbers were seeded for a stock of {:,}', n, stock), 'see [prepare], and [final] seeded in the manifest'
       FROM sale, (SELECT count(DISTINCT number) AS n FROM seeded) WHERE n <> stock""",
)

# |A| ≤ |R| ≤ |A| + |I| follows from the checks: where they all passed and it does not hold, a check has a bug.
UNBALANCED = Rule(
    ("ops", "orders", "rejected", "sale"),
    """SELECT format('counts do not balance: {:,} standing promises, {:,} rows, {:,} unanswered', a, r, i), 'report it as a bug'
       FROM sale, (SELECT (SELECT count(*) FROM promises WHERE NOT withdrawn) AS a, (SELECT count(*) FROM orders) AS r,
           (SELECT coalesce(sum(rows), 0)::BIGINT FROM explained) AS i, (SELECT count(*) FROM promises WHERE withdrawn) AS w)
       WHERE drained AND NOT r BETWEEN a AND a + i + w""",
)

RULES: tuple[Rule, ...] = (NO_WIN, NO_SOLD_OUT, LOW_DEMAND, OTHER_STOCK)
