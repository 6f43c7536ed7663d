"""Faults: what the harness breaks during a sale. Each is injected, observed, healed, and seen to have recovered.

One fault a file, each a class with the four methods of `Fault`; `schedule` runs them at the times that an experiment plans
and logs what happened. Not here: what a fault means for the verdict (`loadtest.judge.doubts`), and how processes are started
(`loadtest.stack`). Read first: `Fault`, then `schedule.Course.step`; the smallest member is `noop`.
"""

from collections.abc import Callable
from typing import Protocol

from loadtest.stack.shop_stack import ShopProcesses


class Fault(Protocol):
    """One kind of fault, on the processes of one role.

    `observed` and `recovered` look at the processes; that `inject` or `heal` returned proves nothing. A fault that was never
    observed makes a run UNKNOWN.
    """

    def inject(self) -> None:
        """Begin the fault."""

    def observed(self) -> bool:
        """Whether it has taken effect."""

    def heal(self) -> None:
        """Undo it. A second call does nothing."""

    def recovered(self) -> bool:
        """Whether the processes that it hit work again."""


def faults() -> dict[str, Callable[[ShopProcesses, str], Fault]]:
    """Every fault, by the name that experiments use for it."""
    from loadtest.faults.kill import Kill
    from loadtest.faults.noop import Noop

    return {"noop": Noop, "kill": Kill}
