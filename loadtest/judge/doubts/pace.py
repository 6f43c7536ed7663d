"""Doubts about the database's pace: whether the limiter was tested, the drain was as fast as it allows, and anything was sampled."""

from loadtest.judge.doubts import Rule

SLOW_DRAIN = Rule(
    ("ops", "orders", "sale"),
    """SELECT format('the drain took {:.1f} s; {:,} rows at {:g}/s should take {:.1f} s', took_s, n, configured_per_s, expected_s),
              'see whether the workers were busy, and whether the limiter reaches its rate (flatness)'
       FROM (
           SELECT count(*) AS n, (max(created_ns) - any_value(t0_ns)) / 1e9 AS took_s, any_value(configured_per_s) AS configured_per_s,
               greatest(n / any_value(configured_per_s),
                   (SELECT max(told_ns) - any_value(t0_ns) FROM promises, sale) / 1e9) AS expected_s
           FROM stored, sale
       ) WHERE configured_per_s IS NOT NULL AND took_s > 1.2 * expected_s AND took_s > expected_s + 1 AND NOT EXISTS (FROM changes) AND NOT EXISTS (FROM undated)""",
    decides=False,
)

UNANSWERED_LIMIT = Rule(
    ("changes", "sale"),
    """SELECT format('{:,} of {:,} workers said that they took the limit of {:g}/s', answered, workers, rate_per_s),
              'change it while every worker runs, and see logs/ for why one did not answer'
       FROM changes, sale WHERE answered < workers""",
)

UNTESTED_LIMITER = Rule(
    ("orders", "sale"),
    """SELECT 'no backlog stood for 2 s: whether the limiter holds its rate was not tested',
              format('raise stock above {:g}, or lower limiter.rate_per_s', 3 * configured_per_s)
       FROM sale WHERE configured_per_s IS NOT NULL AND NOT EXISTS (FROM backlogs) AND NOT EXISTS (FROM unseen) AND NOT EXISTS (FROM undated)""",
    decides=False,
)

# A limiter's lower bound is held only against a backlog, which samples show.
NO_SAMPLES = """SELECT 'there are no samples: backlog, commits and the generator''s CPU were not seen', 'see logs/ for why the sampler failed'
    WHERE NOT EXISTS (FROM samples) AND coalesce((SELECT configured_per_s FROM sale), 0) """
UNSAMPLED_LIMITER = Rule((), NO_SAMPLES + "> 0")
UNSAMPLED = Rule((), NO_SAMPLES + "= 0", decides=False)
# The rows' times are compared with ours: with T0, with promises, with what the probes read.
LOOSE_DATABASE_CLOCK = """SELECT format('the database''s clock is known within {:,.0f} ms only', db_uncertainty_ns / 1e6),
    'store created_at with fractions of a second, use a database that is nearer, in round-trip time, and see logs/ for why its clock was not read better' FROM sale WHERE db_uncertainty_ns """
UNKNOWN_DATABASE_CLOCK = Rule(("sale",), LOOSE_DATABASE_CLOCK + "> 1000000000")
VAGUE_DATABASE_CLOCK = Rule(("sale",), LOOSE_DATABASE_CLOCK + "BETWEEN 50000001 AND 1000000000", decides=False)
# With a limiter, `flatness` says so.
UNDATED_ROWS = Rule(("orders", "sale"), "SELECT text, remedy FROM undated, sale WHERE configured_per_s IS NULL")

RULES: tuple[Rule, ...] = (
    UNDATED_ROWS,
    UNKNOWN_DATABASE_CLOCK,
    VAGUE_DATABASE_CLOCK,
    SLOW_DRAIN,
    UNANSWERED_LIMIT,
    UNTESTED_LIMITER,
    UNSAMPLED_LIMITER,
    UNSAMPLED,
)
