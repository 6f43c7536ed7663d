"""Faults: what breaks while a sale goes on, each injected, observed, healed, and seen to have recovered."""

from collections.abc import Callable
from typing import Protocol

from loadtest.stack.shop_stack import ShopProcesses


class Fault(Protocol):
    """One kind of fault, on the processes of one role.

    `observed` and `recovered` look; they never assume. A fault that was not observed makes a run UNKNOWN.
    """

    def inject(self) -> None:
        """Begin."""

    def observed(self) -> bool:
        """Whether it has taken effect."""

    def heal(self) -> None:
        """Undo it. A second time does nothing."""

    def recovered(self) -> bool:
        """Whether what it hit is well again."""


def faults() -> dict[str, Callable[[ShopProcesses, str], Fault]]:
    """Every fault by the name that an experiment gives it."""
    from loadtest.faults.kill import Kill
    from loadtest.faults.noop import Noop

    return {"noop": Noop, "kill": Kill}
