"""The smallest fault: nothing happens, and it is seen to happen."""

from loadtest.stack.shop_stack import ShopProcesses


class Noop:
    """Does nothing. It shows the contract, and what a run looks like under the mere machinery of faults."""

    def __init__(self, processes: ShopProcesses, role: str) -> None:
        self._victims = processes.of(role)
        self._injected = False

    def inject(self) -> None:
        """Do nothing."""
        self._injected = True

    def observed(self) -> bool:
        """True once nothing was done."""
        return self._injected

    def heal(self) -> None:
        """Do nothing."""

    def recovered(self) -> bool:
        """Whether everything runs, as it should."""
        return all(victim.exit_code() is None for victim in self._victims)
