"""The wiring between Locust's events and a sale: the gate, the history, the samples, the end of a run."""

import gc
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from typing import Any

import gevent
import locust.log
from locust.runners import MasterRunner, WorkerRunner

from loadtest.errors import HarnessError, UsageError
from loadtest.experiment.arrivals import PLAN, plan_arrivals
from loadtest.experiment.schema import Experiment
from loadtest.experiment.times import read_times
from loadtest.experiment.traffic import Crowd
from loadtest.load import now
from loadtest.load.buyers.first_answers import FirstAnswers
from loadtest.load.buyers.gate import COUNT, T0, Gate, Leader
from loadtest.load.buyers.recorder import Recorder
from loadtest.load.crew.clock import Clock
from loadtest.load.crew.handout import Place
from loadtest.load.crew.master import Crew
from loadtest.load.crew.worker import Worker
from loadtest.load.locust_files import tick_faster, write_csv, write_html
from loadtest.load.options import Setup, add_options, read_setup
from loadtest.load.own_samples import Samples, write_t0
from loadtest.load.page.outcomes import Outcomes
from loadtest.load.page.sales import Sales
from loadtest.load.sale import Sale
from loadtest.load.statistics import quicken
from loadtest.sale.desk import Desk
from loadtest.stack.open_files import PORTS, make_room
from loadtest.talk.roster import Roster, read_roster

log = logging.getLogger(__name__)


def install(events: Any, experiment: str = "rush") -> None:
    """Adds the listeners of a sale to Locust's `events`. Installing twice does nothing.

    Run without the harness, the scenario takes its numbers from `experiment` (the name of a shipped one, or a file) unless
    ``--experiment`` names another.
    """
    if getattr(events, "sale_installed", False):
        return
    events.sale_installed = True
    tick_faster()
    events.init_command_line_parser.add_listener(lambda parser: add_options(parser, experiment))
    events.init.add_listener(on_init)


def on_init(environment: Any, runner: Any, web_ui: Any = None, **_: Any) -> None:
    """Creates this process's `Plugin`. Checks the options first, so that a mistake in them is told at the start."""
    # In the web UI the user may enter the host later.
    known = environment.parsed_options.headless or environment.host
    if known and not isinstance(runner, WorkerRunner):
        try:
            read_setup(environment.parsed_options, environment.host)
            _check_tags(environment)
        except HarnessError as error:
            print(f"Error: {error}", file=sys.stderr)
            sys.exit(error.exit_code)
    quicken(environment.stats)
    plugin = Plugin(environment, runner)
    if web_ui is not None:
        plugin.show_on(web_ui)
    elif isinstance(runner, WorkerRunner) and not environment.parsed_options.run_dir:
        plugin.outcomes = Outcomes(environment, runner)  # the master's page adds up its workers' counts


def _check_tags(environment: Any) -> None:
    """Refuses tags that leave buyers no task: Locust would print a traceback for each buyer.

    Raises:
        UsageError: no task matches.
    """
    options = environment.parsed_options
    wanted, unwanted = set(options.tags or ()), set(options.exclude_tags or ())
    stories: list[set[str]] = [
        getattr(story, "locust_tag_set", set()) for user in environment.user_classes for story in user.tasks
    ]
    if not any((not wanted or wanted & tags) and not unwanted & tags for tags in stories):
        known = ", ".join(sorted(set().union(*stories))) or "none"
        raise UsageError(f"--tags, --exclude-tags: they leave buyers nothing to do; tags of this scenario: {known}")


class Plugin:
    """One process's part in each sale it runs, one sale after another: listens to Locust's events and messages.

    A process that `leads` (the master, or the only one) sets T0; one that `buys` (a worker, or the only one) runs buyers.
    """

    def __init__(self, environment: Any, runner: Any) -> None:
        self.environment = environment
        self.runner = runner
        self.leads = not isinstance(runner, WorkerRunner)
        self.buys = not isinstance(runner, MasterRunner)
        self.gate: Gate | None = None
        self.leader: Leader | None = None
        self.recorder: Recorder | None = None
        self.first_answers: FirstAnswers | None = None
        self.samples: Samples | None = None
        self.crew = Crew(runner) if isinstance(runner, MasterRunner) else None
        self.worker = Worker(environment, runner) if isinstance(runner, WorkerRunner) else None
        self._quits = False
        self._ended: Leader | None = None
        self.outcomes: Outcomes | None = None
        desk = environment.parsed_options.desk
        self.sales = Sales(Desk(Path(desk)), environment, runner) if desk else None
        runner.register_message(COUNT, self.on_count)
        runner.register_message(T0, self.on_t0)
        events = environment.events
        events.test_start.add_listener(self.on_start)
        events.spawning_complete.add_listener(self.on_spawned)
        events.test_stop.add_listener(self.on_stop)
        events.quitting.add_listener(self.on_quitting)
        events.quit.add_listener(self.on_quit)

    def show_on(self, web_ui: Any) -> None:
        """Adds the page ``/flash-sale`` to Locust's web UI."""
        from loadtest.load.page.show import Show
        from loadtest.load.page.views import add_page

        self.outcomes = Outcomes(self.environment, self.runner)
        t0_ns: Callable[[], int | None] = lambda: self.leader.t0_ns if self.leader else None  # noqa: E731
        show = Show(self.environment, self.runner, self.outcomes, self.sales, t0_ns)
        add_page(web_ui, self.environment.parsed_options, show)

    def on_start(self, **_: Any) -> None:
        """Begins a new sale, with a closed gate and fresh counters."""
        try:
            if self.sales:
                self.sales.prepare()
            self._start()
        except HarnessError as error:
            log.critical("%s", error)
            self.environment.process_exit_code = error.exit_code
            if self.sales:
                self.sales.give_up()
            gevent.spawn(self.runner.quit if self._headless else self.runner.stop)

    def on_spawned(self, **_: Any) -> None:
        """Locust has spawned all buyers: from now on they have `gather_s` to reach the gate."""
        if self.crew and self.environment.shape_class is None:  # a shape still needs Locust's dispatcher
            self.crew.hold()
        if self.leader:
            self.leader.spawned()
        if self.gate:
            self.gate.report()

    def on_count(self, msg: Any, **_: Any) -> None:
        """Takes in a process's report of its gate."""
        if self.leader:
            self.leader.count(str(msg.node_id), msg.data)

    def on_t0(self, msg: Any, **_: Any) -> None:
        """Opens this process's gate at the T0 that the leader has set."""
        if self.gate:
            self.gate.open_at(msg.data["t0_ns"])

    def on_stop(self, **_: Any) -> None:
        """Ends the sale in this process: closes its files. A worker then delivers what it recorded; the master collects it."""
        self._close()
        if self.crew and self.leader and self.leader is not self._ended:
            self._ended = self.leader
            gevent.spawn(self._finish, self.leader)
        if self.sales and (run_dir := self.sales.under_way):
            write_html(self.environment, run_dir / "locust" / "locust.html")
            write_csv(self.environment, str(run_dir / "locust" / "stats"))
            self.sales.gone()

    def _close(self) -> None:
        for part in (self.leader, self.gate, self.samples, self.first_answers, self.recorder):
            if part is not None:
                part.close()
        self.gate = self.samples = self.first_answers = self.recorder = None
        if self.worker:
            self.worker.end()

    def on_quitting(self, **_: Any) -> None:
        """Waits until all is delivered, before Locust quits, and sets the exit code of a run under the harness.

        Failed requests are results, so they do not make it fail; an exception in a greenlet or a task does.
        """
        options = self.environment.parsed_options
        self._quits = True
        if self.crew and self.leader:
            self._collect(self.leader)
        if self.worker:
            self.runner.stop()
            self.worker.wait()
        if options.html_file and self.leads:
            write_html(self.environment, Path(options.html_file))
        if options.run_dir and self.environment.process_exit_code is None:
            crashed = self.runner.exceptions or locust.log.unhandled_greenlet_exception
            self.environment.process_exit_code = 2 if crashed else 0

    def on_quit(self, **_: Any) -> None:
        """Closes what is still open and writes Locust's CSV files a last time."""
        self.on_stop()
        if self.environment.parsed_options.csv_prefix and self.leads:
            write_csv(self.environment, self.environment.parsed_options.csv_prefix)

    @property
    def _headless(self) -> bool:
        return bool(self.environment.parsed_options.headless)

    def _start(self) -> None:
        self._close()
        now.anchor()
        setup, place = self._begin()
        # Frees what the last sale froze; freezes what stays, such as modules: a full collection that walks it would delay buyers.
        gc.unfreeze()
        gc.collect()
        gc.freeze()
        if self.outcomes:
            self.outcomes.expect(setup.shop.http, setup.sale)
        experiment, run_dir = setup.experiment, setup.run_dir
        if self.leads:
            self.leader = Leader(
                self.runner, experiment.arrivals.gather_s + setup.shop.http.steps_s(self.runner.target_user_count),
                experiment.drain.deadline_s,
                on_t0=lambda t0_ns: self._on_t0(run_dir, t0_ns), on_end=self._end,
                is_gone=self.crew.is_gone if self.crew else lambda _: False,
                buyers=experiment.buyers if self.environment.shape_class else None,
                at_once=experiment.arrivals.kind != "spawned",
            )  # fmt: skip
        if self.crew:
            self.crew.begin(setup, _plan(run_dir, experiment) if experiment.arrivals.kind == "replay" else None)
        if self.buys:
            make_room(PORTS)
            clock = self.worker.clock if self.worker else Clock()
            self.gate = Gate(self.runner, clock, lambda: sale.share, bool(self.worker and self.worker.ships))
            sale = Sale(
                setup.sale, setup.shop.http, setup.where, experiment, self.gate,
                (self.worker and self.worker.offsets_ns) or _plan(run_dir, experiment),
                Crowd(experiment.traffic, experiment.buyers, experiment.seed), self._roster(setup),
                process=place.process, processes=place.processes,
            )  # fmt: skip
            if run_dir:
                history, answers, samples = (_made(path) for path in place.shards(run_dir).values())
                sale.first_answers = self.first_answers = FirstAnswers(answers)
                sale.recorder = self.recorder = Recorder(history)
                self.samples = Samples(samples, experiment.sampler.hz, lambda: _readings(sale, place), clock.now_ns)
            self.environment.sale = sale

    def _begin(self) -> tuple[Setup, Place]:
        """What is sold, and this process's place: from the options, or on a worker from the master's message."""
        if self.worker:
            return self.worker.begin()
        return read_setup(self.environment.parsed_options, self.environment.host), Place(0, 1)

    def _roster(self, setup: Setup) -> Roster:
        """Who this process's buyers are: of a worker those that the master has dealt to it."""
        if self.worker and self.worker.roster:
            return self.worker.roster
        return read_roster(setup.shop.buyers, setup.buyers_file, setup.experiment)

    def _end(self, why: str) -> None:
        """Ends the run when headless or under the harness. In Locust's web UI without the harness, the user ends it."""
        log.info("The sale is over: %s", why)
        if self._headless or self.sales:
            gevent.spawn(self._finish, self.leader)

    def _finish(self, leader: Leader | None) -> None:
        """Collects what the workers recorded; then quits Locust when headless, or stops the buyers of a sale of the web page."""
        if leader:
            self._collect(leader)
        if self._headless and not self._quits:
            self._quits = True
            self.runner.quit()
        elif self.sales:
            self.runner.stop()

    def _collect(self, leader: Leader) -> None:
        if self.crew:
            self.crew.collect()
            self.crew.write(leader.counts)

    def _on_t0(self, run_dir: Path | None, t0_ns: int) -> None:
        """Writes T0, and each generator's counts, before T0 is announced: a generator may die before it reports again."""
        if self.crew and self.leader:
            self.crew.write(self.leader.counts)
        if run_dir:
            write_t0(_made(run_dir / "samples" / "gate.jsonl"), t0_ns)


def _readings(sale: Sale, place: Place) -> dict[str, float]:
    """What the samples tell; nothing before the clock is measured: until then nobody knows when it is, by the master's."""
    if sale.recorder:
        sale.recorder.flush()
    if not sale.gate.clock.ready:
        return {}
    used = getrusage(RUSAGE_SELF)
    own = {"cpu_s": used.ru_utime + used.ru_stime, **sale.gate.clock.reading()}
    return {
        "sent": sale.sent, "answered": sale.answered, "waiting": sale.gate.waiting, "dropped": sale.dropped,
        **{f"{place.name}.{metric}": value for metric, value in own.items()},
    }  # fmt: skip


def _plan(run_dir: Path | None, experiment: Experiment) -> Sequence[int]:
    """The planned arrivals, in nanoseconds after T0: from the run directory if it has a plan, else planned here."""
    if run_dir and (run_dir / PLAN).is_file():
        return read_times(run_dir / PLAN)
    return plan_arrivals(experiment)


def _made(path: Path) -> Path:
    """`path`, once its directory has been created."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
