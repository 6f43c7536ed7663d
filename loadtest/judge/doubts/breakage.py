"""Doubts about what broke: whether each fault took effect, and while orders were under way."""

from loadtest.judge.doubts import Rule

UNOBSERVED_FAULT = Rule(
    ("faults",),
    """SELECT format('fault {} was never observed to take effect', coalesce(fault, 'without a name')),
              'see logs/; choose a target that runs, or a longer fault'
       FROM faults WHERE observed_ns IS NULL""",
)

IDLE_FAULT = Rule(
    ("faults", "ops"),
    """SELECT format('no operation was in flight under fault {}', coalesce(fault, 'without a name')),
              'inject it while buyers are waiting for answers, such as at T0'
       FROM faults f WHERE observed_ns IS NOT NULL AND NOT EXISTS (
           FROM ops o WHERE o.start_ns <= coalesce(f.recovered_ns, f.healed_ns, 9223372036854775807)
               AND coalesce(o.end_ns, 9223372036854775807) >= f.observed_ns)""",
)

RULES: tuple[Rule, ...] = (UNOBSERVED_FAULT, IDLE_FAULT)
