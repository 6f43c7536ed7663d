"""The wiring between Locust's events and a sale: options, files, the gate, the samples, the end of a run."""

import gc
import json
import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import time_ns
from typing import Any, TextIO

import gevent
import locust.log
import locust.stats
from locust.html import get_html_report
from locust.runners import MasterRunner, WorkerRunner

from loadtest.errors import HarnessError, UsageError
from loadtest.experiment import Experiment, find_file, load_experiment, parse, read_toml
from loadtest.load.arrivals import offsets_ns
from loadtest.load.buyer import Sale
from loadtest.load.gate import COUNT, T0, Gate, Leader
from loadtest.load.endpoint import Endpoint, endpoint
from loadtest.load.recorder import Recorder
from loadtest.shop import Shop

DEFAULT_SHOP = "target/shop.toml"
# Names of buyers stay apart when several processes make them.
BUYERS_PER_PROCESS = 1_000_000

log = logging.getLogger(__name__)


def install(events: Any) -> None:
    """Adds the listeners of a sale to Locust's `events`. Installing twice does nothing."""
    if getattr(events, "sale_installed", False):
        return
    events.sale_installed = True
    # A sale of 3 s would leave no point on Locust's own charts, which tick every 5 s.
    locust.stats.HISTORY_STATS_INTERVAL_SEC = 1
    events.init_command_line_parser.add_listener(add_options)
    events.init.add_listener(on_init)


def add_options(parser: Any) -> None:
    """The options that a sale adds to Locust's."""
    add = parser.add_argument
    add("--run-dir", default="", metavar="<dir>", include_in_web_ui=False,
        help="Run directory with experiment.toml and shop.toml; the history and the samples are written there")  # fmt: skip
    add("--shop", default=DEFAULT_SHOP, metavar="<file>", include_in_web_ui=False,
        help="Manifest whose [http] says how to talk to the shop, without --run-dir")  # fmt: skip
    add("--sale", default="", metavar="<id>", help="Sale to buy from; default: the manifest's")
    add("--shop-ca", default="", metavar="<file>", include_in_web_ui=False, help="PEM file of the authority that signed the shop's certificate")  # fmt: skip
    add("--shop-insecure", action="store_true", default=False, include_in_web_ui=False, help="Do not verify the shop's certificate")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Setup:
    """What the options say, read and checked."""

    experiment: Experiment
    shop: Shop
    sale: str
    where: Endpoint
    run_dir: Path | None


def read_setup(options: Any, host: str | None) -> Setup:
    """The setup that Locust's parsed `options` and `host` name.

    Raises:
        UsageError: no host, or a file that is missing or wrong.
    """
    if not host:
        raise UsageError("--host: required, the address of the shop, such as --host http://127.0.0.1:8000")
    run_dir = Path(options.run_dir) if options.run_dir else None
    if run_dir:
        experiment = load_experiment(str(run_dir / "experiment.toml"))
        path = run_dir / "shop.toml"
    else:
        experiment = Experiment()
        path = find_file(options.shop)
    shop = parse(Shop, read_toml(path), str(path))
    where = endpoint(host, Path(options.shop_ca) if options.shop_ca else None, options.shop_insecure)
    return Setup(experiment, shop, options.sale or shop.sale, where, run_dir)


def on_init(environment: Any, runner: Any, **_: Any) -> None:
    """Checks the options while the user is still looking, and wires one `Plugin` to this process."""
    headless = environment.parsed_options.headless
    if headless and not isinstance(runner, WorkerRunner):
        try:
            read_setup(environment.parsed_options, environment.host)
        except HarnessError as error:
            print(f"Error: {error}", file=sys.stderr)
            sys.exit(error.exit_code)
    Plugin(environment, runner)


class Plugin:
    """One process's part in the sales that it runs, one after the other."""

    def __init__(self, environment: Any, runner: Any) -> None:
        self.environment = environment
        self.runner = runner
        self.leads = not isinstance(runner, WorkerRunner)
        self.buys = not isinstance(runner, MasterRunner)
        self.gate: Gate | None = None
        self.leader: Leader | None = None
        self.recorder: Recorder | None = None
        self.samples: Samples | None = None
        runner.register_message(COUNT, self.on_count)
        runner.register_message(T0, self.on_t0)
        events = environment.events
        events.test_start.add_listener(self.on_start)
        events.spawning_complete.add_listener(self.on_spawned)
        events.test_stop.add_listener(self.on_stop)
        events.quitting.add_listener(self.on_quitting)
        events.quit.add_listener(self.on_stop)

    def on_start(self, **_: Any) -> None:
        """A new sale: closed gate, fresh counters."""
        try:
            setup = read_setup(self.environment.parsed_options, self.environment.host)
            self._start(setup)
        except HarnessError as error:
            log.error("%s", error)
            self.environment.process_exit_code = error.exit_code
            gevent.spawn(self.runner.quit if self._headless else self.runner.stop)

    def on_spawned(self, **_: Any) -> None:
        """All buyers exist; the leader starts the clock of `gather_s`."""
        if self.leader:
            self.leader.spawned()

    def on_count(self, msg: Any, **_: Any) -> None:
        """A process reports its gate."""
        if self.leader:
            self.leader.count(str(msg.node_id), msg.data["arrived"], msg.data["done"], msg.data["knows_t0"])

    def on_t0(self, msg: Any, **_: Any) -> None:
        """The leader has set T0."""
        if self.gate:
            self.gate.open_at(msg.data["t0_ns"])

    def on_stop(self, **_: Any) -> None:
        """The sale is over here: the buyers are gone, the files are closed."""
        for part in (self.leader, self.gate, self.samples, self.recorder):
            if part is not None:
                part.close()
        self.leader = self.gate = self.samples = self.recorder = None

    def on_quitting(self, **_: Any) -> None:
        """What buyers met is no failure of this process; a crash in it is."""
        options = self.environment.parsed_options
        if options.html_file and not Path(options.html_file).exists() and self.leads:
            # Locust leaves the report out when SIGTERM ends it.
            _write_html(self.environment, Path(options.html_file))
        if options.run_dir and self.environment.process_exit_code is None:
            crashed = self.runner.exceptions or locust.log.unhandled_greenlet_exception
            self.environment.process_exit_code = 2 if crashed else 0

    @property
    def _headless(self) -> bool:
        return bool(self.environment.parsed_options.headless)

    def _start(self, setup: Setup) -> None:
        self.on_stop()
        # What was imported stays: a full collection that walks it would hold up the herd.
        gc.collect()
        gc.freeze()
        experiment, run_dir = setup.experiment, setup.run_dir
        if self.leads:
            self.leader = Leader(
                self.runner, experiment.arrivals.gather_s, experiment.drain.deadline_s,
                on_t0=lambda t0_ns: _write_t0(run_dir, t0_ns), on_end=self._end,
            )  # fmt: skip
        if self.buys:
            index = self.runner.worker_index
            name = f"g{index}"
            self.gate = Gate(self.runner)
            sale = Sale(
                setup.sale, setup.shop.http, setup.where, experiment, self.gate,
                offsets_ns(experiment.arrivals, experiment.buyers, experiment.seed),
                first_number=index * BUYERS_PER_PROCESS + 1,
            )  # fmt: skip
            if run_dir:
                sale.recorder = self.recorder = Recorder(_made(run_dir / "history") / f"{name}.jsonl")
                path = _made(run_dir / "samples") / f"generator-{name}.jsonl"
                self.samples = Samples(path, experiment.sampler.hz, lambda: _readings(sale))
            self.environment.sale = sale

    def _end(self, why: str) -> None:
        """A headless run ends by itself; in the web UI the user decides."""
        log.info("The sale is over: %s", why)
        if self._headless:
            gevent.spawn(self.runner.quit)


class Samples:
    """Appends readings to a samples file, `hz` times a second, until closed."""

    def __init__(self, path: Path, hz: float, read: Callable[[], dict[str, float]]) -> None:
        self._file = path.open("a", encoding="utf-8", buffering=1)
        self._read = read
        self._greenlet = gevent.spawn(self._run, 1 / hz)

    def close(self) -> None:
        """Takes a last reading and closes the file."""
        self._greenlet.kill()
        self._sample()
        self._file.close()

    def _run(self, step_s: float) -> None:
        while True:
            self._sample()
            gevent.sleep(step_s)

    def _sample(self) -> None:
        now_ns = time_ns()
        for metric, value in self._read().items():
            _write_sample(self._file, now_ns, "generator", metric, value)


def _readings(sale: Sale) -> dict[str, float]:
    if sale.recorder:
        sale.recorder.flush()
    return {"sent": sale.sent, "answered": sale.answered, "waiting": sale.gate.waiting}


def _write_sample(file: TextIO, time_ns_: int, probe: str, metric: str, value: float) -> None:
    file.write(json.dumps({"t": time_ns_, "p": probe, "m": metric, "v": value}) + "\n")


def _write_t0(run_dir: Path | None, t0_ns: int) -> None:
    if run_dir:
        with (_made(run_dir / "samples") / "gate.jsonl").open("a", encoding="utf-8") as file:
            _write_sample(file, t0_ns, "gate", "t0", 1)


def _write_html(environment: Any, path: Path) -> None:
    _made(path.parent)
    path.write_text(get_html_report(environment, show_download_link=False), encoding="utf-8")


def _made(directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    return directory
