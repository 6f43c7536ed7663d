"""The sampler's process beside one sale: at work before the first buyer comes, and stopped before what it reads."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from loadtest.probes.sampler import READY, Addresses
from loadtest.record.run_dir import RunDir
from loadtest.sale.progress import Latest
from loadtest.stack.process import Command, Process, Supervisor

LOOK_S = 0.02
# A service that answers nobody may keep its probe waiting for longer; the sale is held then, and the verdict says what was not read.
PATIENCE_S = 15.0


@dataclass
class Sampling:
    """Starts the sampler at once. A context, which is entered when what it reads is there, and stops it.

    It takes a second to start, on a busy machine three: a sale whose first seconds nobody has read is not judged.
    """

    supervisor: Supervisor
    run_dir: RunDir
    addresses: Addresses
    _process: Process = field(init=False)

    def __post_init__(self) -> None:
        self._process = self.supervisor.start(sampler_command(self.run_dir, self.addresses))

    def wait(self, tick: Callable[[], None]) -> None:
        """Wait until every probe has been read once, or could not be. `tick` runs meanwhile; what it raises ends the wait."""
        latest, last_moment = Latest(self.run_dir.path / "samples"), time.monotonic() + PATIENCE_S
        while READY not in latest.seen and self._process.exit_code() is None and time.monotonic() < last_moment:
            tick()
            time.sleep(LOOK_S)
            latest.refresh()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop the sampler. A second call does nothing."""
        self.supervisor.stop(self._process)


def sampler_command(run_dir: RunDir, addresses: Addresses) -> Command:
    """The sampler, told the addresses where nobody else can read them."""
    argv = [sys.executable, "-P", "-m", "loadtest.probes.sampler", str(run_dir.path)]
    return Command("sampler", "sampler", argv, stdin=addresses.to_json())
