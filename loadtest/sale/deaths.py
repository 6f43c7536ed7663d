"""Processes that die during a sale though nobody took them down: what such a sale shows, it shows of a smaller shop than was asked for."""

import json
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from loadtest.errors import ServiceError
from loadtest.stack.process import Process, Supervisor

log = logging.getLogger(__name__)

# Buyers end by themselves; whoever let them come hears how.
BUYERS = "generator"
SAMPLER = "sampler"


@dataclass
class Deaths:
    """Writes one line for each death to `path`: ``{"t": ns, "role": …, "name": …, "exit": code}``. No death, no file.

    Told are processes of the shop, the sampler and embedded services, unless a fault or a stop was what ended them.
    """

    supervisors: Sequence[Supervisor]
    path: Path
    found: list[Process] = field(default_factory=list, init=False)

    def look(self) -> None:
        """Look once. The time of a death is that of the look at which it was found."""
        for supervisor in self.supervisors:
            supervisor.keep_guarded()
            for process in supervisor.dead():
                if process.command.role != BUYERS and process not in self.found:
                    self._tell(process)

    def refuse(self) -> None:
        """Before the first buyer comes, a dead process of the shop ends the run: buyers would go to whoever has its port now.

        Raises:
            ServiceError: one has died.
        """
        for process in self.found:
            if process.command.role != SAMPLER:
                raise ServiceError(
                    f"{process.name}: ended with {process.exit_code()} before any buyer came:\n{process.log_tail()}"
                )

    def _tell(self, process: Process) -> None:
        self.found.append(process)
        line = {"t": time.time_ns(), "role": process.command.role, "name": process.name, "exit": process.exit_code()}
        with self.path.open("a", encoding="utf-8") as deaths:
            deaths.write(json.dumps(line) + "\n")
        log.warning("%s ended with %s, unasked; its log: %s", process.name, process.exit_code(), process.log)
