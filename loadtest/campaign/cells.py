"""Cells: several sales on one warm stack, each with clean data and a run directory of its own."""

import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from loadtest.campaign.meanwhile import Meanwhile
from loadtest.errors import logged
from loadtest.judge.verdict import Verdict
from loadtest.record.run_dir import make_parts
from loadtest.sale.beforehand.plan import Plan
from loadtest.sale.load_process import Loading, headless
from loadtest.sale.progress import Progress, Silent
from loadtest.sale.run import hold_sale, write_request
from loadtest.stack import Services
from loadtest.stack.external import EMBEDDED, Given, Kind, open_services, with_broker
from loadtest.stack.process import Supervisor


@dataclass(frozen=True)
class WarmStack:
    """Services that outlast a sale. `journal` says which processes they are; `supervisor` has them."""

    services: Services
    journal: Path
    command: list[str]
    supervisor: Supervisor

    def run(
        self,
        planned: Plan,
        path: Path,
        done: Callable[[Path], None] = lambda _: None,
        progress: Progress | None = None,
        loading: Loading = headless,
    ) -> Verdict:
        """Hold one sale into the run directory `path`, judge it, and hand the directory to `done`.

        What an earlier, unfinished attempt left there is removed. `loading` brings the buyers. A `done` that works meanwhile has
        ended its work for the sale before when they come.
        """
        if isinstance(done, Meanwhile):
            loading = done.before(loading)
        progress = progress or Silent()
        shutil.rmtree(path, ignore_errors=True)
        run_dir = make_parts(path)
        write_request(run_dir, planned, self.command)
        shutil.copyfile(self.journal, run_dir.processes)
        with logged(run_dir.logs), Supervisor(run_dir.logs, journal=run_dir.processes) as supervisor:
            services = with_broker(self.services, planned.given, planned.experiment.broker.kind)
            return hold_sale(planned, run_dir, supervisor, services, progress, done, loading, [self.supervisor])


@contextmanager
def warm_stack(
    given: Given, directory: Path, command: list[str], kinds: Collection[Kind] = EMBEDDED
) -> Iterator[WarmStack]:
    """The services while the context lasts, for brokers of those kinds; their logs and their journal are in `directory`."""
    journal = directory / "services.jsonl"
    journal.touch()
    with (
        Supervisor(directory / "logs", journal=journal) as supervisor,
        open_services(given, supervisor, kinds) as services,
    ):
        yield WarmStack(services, journal, command, supervisor)
