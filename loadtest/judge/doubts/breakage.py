"""Doubts about what broke: whether each fault was what was asked for, while orders were under way, and nothing else died."""

from loadtest.judge.doubts import Rule

UNRECORDED_FAULT = Rule(
    ("faults",),
    """SELECT CASE WHEN asked = 1 THEN format('fault {} was asked for and is not in the log', fault)
                  ELSE format('fault {} was asked for {:,} times and is in the log {:,} times', fault, asked, logged) END,
              'see logs/ for why the run did not come to it, and run again'
       FROM (SELECT fault, count(*) AS asked, (SELECT count(*) FROM faults f WHERE f.fault = a.fault) AS logged FROM asked_for a GROUP BY fault)
       WHERE logged < asked ORDER BY fault""",
)
UNFINISHED_FAULT = Rule(
    ("faults",),
    """SELECT format('fault {} {}{}', coalesce(fault, 'without a name'), became, coalesce(' (' || reason || ')', '')), remedy FROM (
           SELECT fault, intended_ns, reason, CASE WHEN observed_ns IS NULL THEN 'was never observed to take effect'
                   WHEN coalesce(healed_ns, recovered_ns) IS NULL THEN 'was never healed' ELSE 'never recovered' END AS became,
               CASE WHEN observed_ns IS NULL THEN 'see logs/; choose a target that runs, or a longer fault'
                   ELSE 'see logs/ for why what it broke did not come back, and run again' END AS remedy
           FROM faults WHERE observed_ns IS NULL OR recovered_ns IS NULL) ORDER BY intended_ns, fault""",
)
# An order is under way from its asking to its answer, and from its promise to its row. Looks at an order's status put nothing at risk.
IDLE_FAULT = Rule(
    ("faults", "ops", "orders"),
    """WITH spans AS (
           SELECT fault, coalesce(injected_ns, intended_ns, observed_ns) AS from_ns,
               coalesce(recovered_ns, healed_ns, 9223372036854775807) AS to_ns
           FROM faults WHERE observed_ns IS NOT NULL
       ), unwritten AS (
           SELECT told_ns FROM promises p WHERE NOT withdrawn AND NOT EXISTS (FROM orders o WHERE o.number = p.number)
               AND NOT EXISTS (FROM orders o WHERE p.number IS NULL AND o.buyer = p.buyer)
       )
       SELECT format('no order was under way under fault {}', coalesce(fault, 'without a name')),
              'inject it while buyers wait for answers, such as at T0, or while orders wait for their rows'
       FROM spans WHERE NOT EXISTS (FROM asks WHERE start_ns <= to_ns AND coalesce(end_ns, 9223372036854775807) >= from_ns)
           AND NOT EXISTS (FROM ways WHERE coalesce(told_ns, started_ns) <= to_ns AND created_ns >= from_ns)
           AND NOT EXISTS (FROM unwritten WHERE told_ns <= to_ns)""",
)
DEATH = Rule(
    ("deaths",),
    """SELECT format('{} ended with {}{}, and nobody asked for it', name, coalesce(exit::VARCHAR, 'an unknown code'),
                  coalesce(' at ' || since_t0(t), '')), format('see logs/{}.log for why it ended', name)
       FROM (SELECT * REPLACE (coalesce(name, role, 'a process of the shop') AS name) FROM deaths) ORDER BY t, name""",
)

RULES: tuple[Rule, ...] = (DEATH, UNRECORDED_FAULT, UNFINISHED_FAULT, IDLE_FAULT)
