"""The buyers of one sale, as the harness sees them: a process of Locust that is told to begin, and ends by itself."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from loadtest.experiment.arrivals import connections
from loadtest.record.run_dir import RunDir
from loadtest.sale.beforehand.plan import Plan
from loadtest.stack import surroundings
from loadtest.stack.process import Command, Process, Supervisor


class Load(Protocol):
    """The buyers of one sale."""

    def begin(self) -> None:
        """Let them come: the shop is ready."""

    def end(self) -> None:
        """Whoever is left goes home. Called once they were let come, whatever became of it."""

    def exit_code(self) -> int | None:
        """None while there are any."""

    def log_tail(self) -> str:
        """The last that was heard of them."""


# Brings the buyers of a plan to the shop at an address; a process that they need is the supervisor's, and tells its story in the run directory.
Loading = Callable[[Plan, RunDir, Supervisor, str], Load]


def headless(planned: Plan, run_dir: RunDir, supervisor: Supervisor, base_url: str) -> Load:
    """A Locust process of the sale's own, which ends by itself. It is started here, and waits to be told to begin."""
    passed = surroundings.passed_on(planned.shop.pass_env)
    command = Command(
        "generator", "locust", [sys.executable, "-P", "-m", "loadtest.load.launch"], env=passed, told_later=True
    )
    arguments = load_arguments(planned, run_dir, base_url)
    return Locust(supervisor, supervisor.start(command), arguments)


@dataclass(frozen=True)
class Locust:
    """The buyers of a Locust process; see `Load`."""

    supervisor: Supervisor
    process: Process
    arguments: list[str]

    def begin(self) -> None:
        """Tell Locust its arguments."""
        self.process.tell(json.dumps(self.arguments))

    def end(self) -> None:
        """Stop it where it has not ended by itself."""
        self.supervisor.stop(self.process)

    def exit_code(self) -> int | None:
        """None while it runs."""
        return self.process.exit_code()

    def log_tail(self) -> str:
        """The last lines of its log."""
        return self.process.log_tail()


def buyers_arguments(planned: Plan) -> list[str]:
    """The arguments that say where the file of users is, if there is one: it is not copied to the run directory."""
    return ["--buyers-file", str(planned.buyers_file.resolve())] if planned.buyers_file else []


def load_arguments(planned: Plan, run_dir: RunDir, base_url: str) -> list[str]:
    """Locust's arguments: headless, and told everything else by the run directory."""
    users = connections(planned.experiment, planned.offsets_ns)
    arrivals = planned.experiment.arrivals
    spawn_rate = arrivals.rate_per_s if arrivals.kind == "spawned" and arrivals.rate_per_s else users
    return [
        "-f", str(planned.scenario), "--headless", "-u", str(users), "-r", str(spawn_rate),
        "--host", base_url, "--run-dir", str(run_dir.path), "--only-summary",
        "--csv", str(run_dir.path / "locust" / "stats"), "--html", str(run_dir.path / "locust" / "locust.html"),
        *buyers_arguments(planned), *planned.fleet.arguments(),
    ]  # fmt: skip
