"""The schedule of a run's faults: injects and heals each on time, and logs when it was observed and had recovered."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from loadtest.errors import UsageError
from loadtest.experiment.names import nearest
from loadtest.experiment.schema import FaultPlan
from loadtest.faults import Fault, faults
from loadtest.manifest.shop import Shop
from loadtest.stack.shop_stack import ShopProcesses

RECOVER_S = 60


@dataclass
class Course:
    """The course of one fault: when it was planned, injected, observed, healed and recovered, in ns since the epoch. None: not yet."""

    plan: FaultPlan
    fault: Fault
    intended_ns: int
    injected_ns: int | None = None
    observed_ns: int | None = None
    healed_ns: int | None = None
    recovered_ns: int | None = None

    def step(self, now_ns: int) -> None:
        """Take every step that is due at `now_ns`: inject, look for the effect, heal, look for recovery."""
        if self.injected_ns is None and now_ns >= self.intended_ns:
            self.fault.inject()
            self.injected_ns = time.time_ns()
        if self.injected_ns and self.observed_ns is None and self.healed_ns is None and self.fault.observed():
            self.observed_ns = time.time_ns()
        if self.injected_ns and now_ns >= self.intended_ns + int(self.plan.heal_after_s * 1e9):
            self.heal()
        if self.healed_ns and self.recovered_ns is None and self.fault.recovered():
            self.recovered_ns = time.time_ns()

    def heal(self) -> None:
        """Heal the fault now, if it was injected and is not healed yet."""
        if self.injected_ns and self.healed_ns is None:
            self.fault.heal()
            self.healed_ns = time.time_ns()

    @property
    def settled(self) -> bool:
        """Whether it has recovered, so that no step is left."""
        return self.recovered_ns is not None


@dataclass
class Schedule:
    """The faults of one run. `finish` writes one JSON line for each to `log`."""

    plans: Sequence[FaultPlan]
    processes: ShopProcesses
    log: Path
    _courses: list[Course] = field(default_factory=list, init=False)

    def begin(self, t0_ns: int) -> None:
        """Fix the time of each fault, relative to T0 (`t0_ns`, in ns since the epoch). Call once, before `tick`."""
        for plan in self.plans:
            fault = faults()[plan.kind](self.processes, plan.role)
            self._courses.append(Course(plan, fault, t0_ns + int(plan.at_s * 1e9)))

    def tick(self) -> None:
        """Take every step that is due now. Call it often: faults are no more punctual than these calls."""
        for course in self._courses:
            course.step(time.time_ns())

    def finish(self) -> None:
        """Heal every injected fault, wait up to `RECOVER_S` seconds for recovery, and write the log. A second call does nothing."""
        courses, self._courses = self._courses, []
        for course in courses:
            course.heal()
        deadline = time.monotonic() + RECOVER_S
        while not all(c.settled for c in courses if c.injected_ns) and time.monotonic() < deadline:
            for course in courses:
                course.step(0)
            time.sleep(0.05)
        if courses:
            self.log.write_text("".join(json.dumps(_line(course)) + "\n" for course in courses), encoding="utf-8")


def check_faults(plans: Sequence[FaultPlan], shop: Shop) -> None:
    """Find mistakes in the plans before anything starts.

    Raises:
        UsageError: no such fault, or no such process in the manifest.
    """
    roles = {entry.role for entry in shop.process}
    for plan in plans:
        if plan.kind not in faults():
            raise UsageError(f"faults: kind = {plan.kind!r}: no such fault; {nearest(plan.kind, faults())}")
        if plan.role not in roles:
            raise UsageError(
                f"faults: role = {plan.role!r}: the manifest has no such process; {nearest(plan.role, roles)}"
            )


def _line(course: Course) -> dict[str, object]:
    return {
        "fault": f"{course.plan.kind} {course.plan.role}",
        "intended_ns": course.intended_ns,
        "observed_ns": course.observed_ns,
        "healed_ns": course.healed_ns,
        "recovered_ns": course.recovered_ns,
    }
