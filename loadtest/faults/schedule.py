"""The schedule of a run's faults: injects and heals each on time, and logs what became of it.

Every planned fault has its line in the log, injected or not: moments that never came are null, and `reason` says what was not as planned.
"""

import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from loadtest.errors import UsageError
from loadtest.experiment.names import nearest
from loadtest.experiment.schema import FaultPlan
from loadtest.faults import Fault, faults
from loadtest.manifest.shop import Shop
from loadtest.stack.shop_stack import ShopProcesses

log = logging.getLogger(__name__)

RECOVER_S = 60
# Later than every step is due.
PAST_ALL_NS = 2**63


@dataclass
class Course:
    """The course of one fault: when it was due, injected, observed, healed and recovered, in ns since the epoch. None: not yet.

    `inject` is tried once. Where it fails the fault counts as never observed, and is healed at once, because half of it may have
    been done. Other steps are tried until they succeed. `reason` says what was first not as planned.
    """

    plan: FaultPlan
    fault: Fault | None = None
    intended_ns: int | None = None
    injected_ns: int | None = None
    observed_ns: int | None = None
    healed_ns: int | None = None
    recovered_ns: int | None = None
    reason: str | None = None
    _half_done: bool = False

    def begin(self, processes: ShopProcesses, t0_ns: int) -> None:
        """Choose what it hits, and fix its time relative to T0 (`t0_ns`)."""
        self.intended_ns = t0_ns + int(self.plan.at_s * 1e9)
        self.fault = faults()[self.plan.kind](processes, self.plan.role)

    def step(self, now_ns: int) -> None:
        """Take every step that is due at `now_ns`: inject, look for the effect, heal, look for recovery."""
        if self.fault is None or self.intended_ns is None:
            return
        if self.injected_ns is None and now_ns >= self.intended_ns:
            self.injected_ns = time.time_ns()
            self._half_done = not self._succeeds("inject", self.fault.inject)
        if self.injected_ns is None:
            return
        self._observe()
        if self._half_done or now_ns >= self.injected_ns + int(self.plan.heal_after_s * 1e9):
            self._heal()
        if self.healed_ns and self.recovered_ns is None and self._succeeds("recovered", self.fault.recovered):
            self.recovered_ns = time.time_ns()

    def end(self) -> None:
        """The buyers are done: nothing is injected any more, and what was injected is healed now."""
        now_ns = time.time_ns()
        if self.intended_ns is None:
            self.reason = "not injected: T0 never came"
        elif self.injected_ns is None:
            self.reason = (
                f"not injected: the buyers were done {(self.intended_ns - now_ns) / 1e9:.1f} s before its time"
            )
        elif self.healed_ns is None:
            lasted_s = (now_ns - self.injected_ns) / 1e9
            early = f"healed after {lasted_s:.1f} s instead of {self.plan.heal_after_s:g} s: the buyers were done"
            self.reason = self.reason or (early if lasted_s < self.plan.heal_after_s else None)
            self._observe()
            self._heal()

    def _observe(self) -> None:
        unseen = self.observed_ns is None and self.healed_ns is None and not self._half_done
        if unseen and self.fault and self._succeeds("observed", self.fault.observed):
            self.observed_ns = time.time_ns()

    def _heal(self) -> None:
        if self.healed_ns is None and self.fault and self._succeeds("heal", self.fault.heal):
            self.healed_ns = time.time_ns()

    @property
    def settled(self) -> bool:
        """Whether no step is left: it has recovered, or was never injected."""
        return self.recovered_ns is not None or self.injected_ns is None

    def _succeeds(self, name: str, step: Callable[[], bool | None]) -> bool:
        """Whether `step` returned, and not False. The first error is logged, and is the reason."""
        try:
            return step() is not False
        except Exception as error:
            if not self.reason:
                log.exception("fault %s %s: %s failed", self.plan.kind, self.plan.role, name)
                self.reason = f"{name} failed: {str(error) or type(error).__name__}"
            return False


@dataclass
class Schedule:
    """The faults of one run. `finish` writes one JSON line for each to `log`."""

    plans: Sequence[FaultPlan]
    processes: ShopProcesses
    log: Path
    _courses: list[Course] = field(init=False)

    def __post_init__(self) -> None:
        """One course for each plan."""
        self._courses = [Course(plan) for plan in self.plans]

    def begin(self, t0_ns: int) -> None:
        """Fix the time of each fault, relative to T0 (`t0_ns`, in ns since the epoch). Call once, before `tick`."""
        for course in self._courses:
            course.begin(self.processes, t0_ns)

    def tick(self) -> None:
        """Take every step that is due now. Call it often: faults are no more punctual than these calls."""
        for course in self._courses:
            course.step(time.time_ns())

    def finish(self) -> None:
        """Heal every injected fault, wait up to `RECOVER_S` seconds for recovery, and write the log. A second call does nothing."""
        courses, self._courses = self._courses, []
        try:
            for course in courses:
                course.end()
            deadline = time.monotonic() + RECOVER_S
            while not all(course.settled for course in courses) and time.monotonic() < deadline:
                for course in courses:
                    if not course.settled:
                        course.step(PAST_ALL_NS)
                time.sleep(0.05)
        finally:
            if courses:
                self.log.write_text("".join(json.dumps(_line(course)) + "\n" for course in courses), encoding="utf-8")


def check_faults(plans: Sequence[FaultPlan], shop: Shop, dispatch: str) -> None:
    """Find mistakes in the plans before anything starts.

    Raises:
        UsageError: no such fault, or no such process in the manifest, or none that runs with this dispatch.
    """
    roles = {entry.role for entry in shop.process}
    running = {entry.role for entry in shop.process if entry.when in ("always", dispatch)}
    for plan in plans:
        if plan.kind not in faults():
            raise UsageError(f"faults: kind = {plan.kind!r}: no such fault; {nearest(plan.kind, faults())}")
        if plan.role not in roles:
            raise UsageError(
                f"faults: role = {plan.role!r}: the manifest has no such process; {nearest(plan.role, roles)}"
            )
        if plan.role not in running:
            raise UsageError(
                f"faults: role = {plan.role!r}: no such process runs with dispatch = {dispatch!r}; running: {', '.join(sorted(running))}"
            )


def _line(course: Course) -> dict[str, object]:
    return {
        "fault": f"{course.plan.kind} {course.plan.role}",
        "intended_ns": course.intended_ns,
        "injected_ns": course.injected_ns,
        "observed_ns": course.observed_ns,
        "healed_ns": course.healed_ns,
        "recovered_ns": course.recovered_ns,
        "reason": course.reason,
    }
