"""The fault `noop`: the smallest implementation of the contract. It does nothing."""

from loadtest.stack.shop_stack import ShopProcesses


class Noop:
    """Does nothing: shows what the machinery of faults costs by itself, and is a template for a new fault."""

    def __init__(self, processes: ShopProcesses, role: str) -> None:
        self._victims = processes.of(role)
        self._injected = False

    def inject(self) -> None:
        """Do nothing."""
        self._injected = True

    def observed(self) -> bool:
        """True once `inject` was called, if there is anything to hit."""
        return self._injected and bool(self._victims)

    def heal(self) -> None:
        """Do nothing."""

    def recovered(self) -> bool:
        """Whether every process of the role is running."""
        return all(victim.exit_code() is None for victim in self._victims)
