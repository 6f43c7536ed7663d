"""The fault `kill`: processes end at once and without clean-up, as by the out-of-memory killer or the loss of a machine."""

import signal

from loadtest.stack.process import Process
from loadtest.stack.shop_stack import ShopProcesses


class Kill:
    """Kills every process of a role and its children with SIGKILL; heals by starting each again."""

    def __init__(self, processes: ShopProcesses, role: str) -> None:
        self._processes = processes
        self._victims = processes.of(role)
        self._successors: list[Process] = []

    def inject(self) -> None:
        """Send SIGKILL to the process group of each."""
        for victim in self._victims:
            victim.expect_death()
            victim.signal_group(signal.SIGKILL)

    def observed(self) -> bool:
        """Whether every one of them is dead; not where there was none to kill."""
        return bool(self._victims) and all(victim.exit_code() is not None for victim in self._victims)

    def heal(self) -> None:
        """Start each again under its old name, the first time it is called."""
        if not self._successors:
            self._successors = [self._processes.restart(victim) for victim in self._victims]

    def recovered(self) -> bool:
        """Whether every restarted process is ready."""
        return bool(self._successors) and all(map(self._processes.ready, self._successors))
