"""One run, from an experiment to a verdict."""

import contextlib
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from loadtest.errors import HarnessError, RunInterrupted, ServiceError, UsageError, logged
from loadtest.experiment.arrivals import PLAN, write_plan
from loadtest.experiment.redelivery import redelivery_s
from loadtest.faults.schedule import Schedule
from loadtest.judge.verdict import Verdict, conclude
from loadtest.ledger.final_reads import Ledger, RowsRead
from loadtest.ledger.queue import open_queue
from loadtest.ledger.sources import Reader
from loadtest.ledger.standstill import Drain, Drained
from loadtest.probes.sampler import Addresses, SampleWriter
from loadtest.record.environment import describe
from loadtest.record.promises import read_promises
from loadtest.record.run_dir import RunDir, create, write_parquet
from loadtest.record.whole import write_text
from loadtest.sale.beforehand.given_broker import told_visibility
from loadtest.sale.beforehand.plan import Plan
from loadtest.sale.deaths import Deaths
from loadtest.sale.interrupt import interruptible, leaving
from loadtest.sale.leftovers import Leftovers
from loadtest.sale.limits import Limits, open_limits
from loadtest.sale.load_process import Load, Loading, headless
from loadtest.sale.progress import Latest, Progress
from loadtest.sale.sampling import Sampling
from loadtest.sale.scope import write_scope
from loadtest.sale.tidying import Tidying, scratch_of
from loadtest.stack import Services
from loadtest.stack.process import Supervisor
from loadtest.stack.shop_stack import on_free_port

TICK_S = 0.1
LOAD_GRACE_S = 15

SALE = {
    "sale": "VARCHAR", "scheme": "VARCHAR", "dispatch": "VARCHAR", "limiter_kind": "VARCHAR",
    "stock": "BIGINT", "buyers": "BIGINT", "per_buyer": "BIGINT", "configured_per_s": "DOUBLE",
    "workers": "BIGINT", "burst": "BIGINT", "t0_ns": "BIGINT", "drained": "BOOLEAN", "drained_ns": "BIGINT",
    "deadline_s": "DOUBLE", "near_misses": "BIGINT", "planned": "BIGINT", "redelivery_s": "DOUBLE",
    "sampler_hz": "DOUBLE", "read_ns": "BIGINT", "db_offset_ns": "BIGINT", "db_uncertainty_ns": "BIGINT",
    "left_units": "BIGINT",
}  # fmt: skip


def run(
    planned: Plan, out: Path, command: list[str], progress: Progress, done: Callable[[Path], None]
) -> tuple[RunDir, Verdict]:
    """Run one sale and judge it.

    1. Write what was asked for, before anything starts.
    2. Start Postgres, Redis and the broker, or take the given ones.
    3. Prepare the sale and read the seeded numbers.
    4. Start the sampler, and the shop's processes.
    5. Wait until the sampler has read every service.
    6. Let the buyers gather; T0; wait until each has an answer.
    7. Wait until the queue is empty and the rows stand still.
    8. Read Redis, the queue and Postgres a last time.
    9. Tell everything to stop, and meanwhile judge what the directory holds; `done` draws the report of it.
    10. Wait until everything has stopped, in reverse order.

    Raises:
        ServiceError: a service or a process of the shop did not come up.
        Unexpected: anything else that was raised; the logs have its traceback.
        RunInterrupted: after steps 8 and 10, so that what there is can be looked at. No verdict is written, unless it was before.
    """
    run_dir = begin(out, planned, command)
    with (
        leaving(run_dir),
        logged(run_dir.logs),
        interruptible(),
        Supervisor(run_dir.logs, journal=run_dir.processes) as supervisor,
    ):
        progress.phase("starting")
        with planned.services(supervisor) as services:
            return run_dir, hold_sale(planned, run_dir, supervisor, services, progress, done)


def begin(out: Path, planned: Plan, command: list[str]) -> RunDir:
    """Create a run directory below `out` that holds what was asked for.

    Raises:
        UsageError: `out` cannot be written to, or its disk is full.
    """
    try:
        run_dir = create(out, planned.experiment.name, planned.experiment.seed)
        write_request(run_dir, planned, command)
    except OSError as error:
        raise UsageError(
            f"--out {out}: cannot write there: {error.strerror}; free some space, or give another"
        ) from None
    return run_dir


def hold_sale(
    planned: Plan,
    run_dir: RunDir,
    supervisor: Supervisor,
    services: Services,
    progress: Progress,
    done: Callable[[Path], None],
    loading: Loading = headless,
    beside: Sequence[Supervisor] = (),
) -> Verdict:
    """Steps 3 to 10, on services that run; the processes of the shop are `supervisor`'s, those of services may be `beside` it.

    `loading` brings the buyers.
    """
    samples = run_dir.path / "samples"
    with (samples / "run.jsonl").open("a", encoding="utf-8") as phases:
        writer = SampleWriter(phases)
        deaths = Deaths([supervisor, *beside], run_dir.deaths)
        sale = Sale(planned, run_dir, supervisor, progress, Latest(samples), writer, loading, deaths)
        with sale.held(services):
            progress.phase("judging")
            verdict = conclude(run_dir.path)
            # It is judged, whatever becomes of its report.
            with contextlib.suppress(HarnessError), logged(run_dir.logs):
                done(run_dir.path)
            return verdict


@dataclass
class Sale:
    """One sale held on running services."""

    plan: Plan
    run_dir: RunDir
    supervisor: Supervisor
    progress: Progress
    latest: Latest
    phases: SampleWriter
    loading: Loading
    deaths: Deaths
    limits: Limits | None = None

    @contextmanager
    def held(self, services: Services) -> Iterator[None]:
        """Hold it. The block runs once everything is recorded, while the shop's processes end; leaving it waits for their end.

        Nested contexts undo each step in reverse order.
        """
        experiment, shop = self.plan.experiment, self.plan.shop
        with ExitStack() as stack:
            scratch = stack.enter_context(scratch_of(self.supervisor))
            shop_stack = on_free_port(experiment, shop, services, self.plan.shop_file.parent, scratch)
            whereabouts = shop_stack.whereabouts
            truth = whereabouts.fill(shop.truth.url, "truth.url")
            reader = stack.enter_context(closing(Reader(services, shop.sale, experiment.stock, truth, whereabouts)))
            queue = stack.enter_context(closing(open_queue(services, shop.queue, whereabouts))) if shop.queue else None
            final = shop.final_for(experiment.scheme)
            ledger = Ledger(final, reader, queue, self.run_dir)

            self._begin("preparing")
            shop_stack.refuse_taken()
            load = self.loading(self.plan, self.run_dir, self.supervisor, shop_stack.base_url)
            tidying = Tidying(shop_stack, self.supervisor, self.run_dir)
            stack.callback(tidying.once)
            shop_stack.prepare(self.supervisor)
            leftovers = Leftovers(experiment, shop, services.broker, queue, shop_stack.prepared_late)
            leftovers.before()
            if not shop_stack.prepared_late:
                ledger.read_seeded()
            sampling = Sampling(self.supervisor, self.run_dir, Addresses.of(services, truth, whereabouts, shop))
            stack.callback(sampling.stop)  # where the shop does not come up
            processes = stack.enter_context(shop_stack.processes(self.supervisor))
            stack.callback(tidying.once)  # whatever happens from now on, while the shop still runs
            if shop_stack.prepared_late:
                ledger.read_seeded()
            leftovers.after()
            ledger.check()
            with sampling, open_limits(self.run_dir, experiment, shop, services.broker) as self.limits:
                sampling.wait(self._tick)
                faults = Schedule(experiment.faults, processes, self.run_dir.path / "faults.jsonl")
                told = partial(read_promises, self.run_dir.path / "history")
                drain = Drain(reader, queue, final, experiment.drain.settle_s, experiment.stock, told)
                drained, interruption = self._sell_and_drain(load, faults, drain)
                self._begin("reading")
                rows_read = ledger.read_final()
                write_scope(self.run_dir, shop, final, shop_stack.items(), rows_read.columns)
                self._write_sale(drained, ledger, rows_read)
                self.deaths.look()
            tidying.once()
            if interruption:
                raise interruption
            processes.begin_stop()
            yield

    def _sell_and_drain(self, load: Load, faults: Schedule, drain: Drain) -> tuple[Drained, RunInterrupted | None]:
        """Both, as far as nobody interrupts them; what there is then is still read. Faults are healed either way."""
        try:
            try:
                self._sell(load, faults)
            finally:
                faults.finish()
            self._begin("draining")
            return drain.wait(self._deadline_ns(), self._tick), None
        except RunInterrupted as interruption:
            return Drained(None), interruption

    def _sell(self, load: Load, faults: Schedule) -> None:
        """Run Locust to its end. It ends by itself when every buyer has an answer, or at the deadline."""
        self._begin("gathering")
        experiment = self.plan.experiment
        try:
            load.begin()
            gather_s = experiment.arrivals.gather_s + self.plan.steps_s
            allowed_s = gather_s + experiment.drain.deadline_s + LOAD_GRACE_S
            last_moment = time.monotonic() + self.plan.fleet.wait_s + allowed_s
            selling = False
            while load.exit_code() is None and time.monotonic() < last_moment:
                self._tick()
                if not selling:
                    self.deaths.refuse()
                if self.latest.t0_ns and not selling:
                    self._begin("herd")
                    faults.begin(self.latest.t0_ns)
                    selling = True
                faults.tick()
                time.sleep(TICK_S)
            self._tick()
        finally:
            load.end()
        if self.latest.t0_ns is None:
            raise ServiceError(f"the load ended with {load.exit_code()} before any buyer came:\n{load.log_tail()}")

    def _begin(self, phase: str) -> None:
        self.progress.phase(phase)
        self.phases.write(time.time_ns(), "run", {f"phase.{phase}": 1})

    def _tick(self) -> None:
        self.latest.refresh()
        self.progress.tick(self.latest)
        self.deaths.look()
        if self.limits:
            self.limits.tick()

    def _deadline_ns(self) -> int:
        return (self.latest.t0_ns or time.time_ns()) + int(self.plan.experiment.drain.deadline_s * 1e9)

    def _write_sale(self, drained: Drained, ledger: Ledger, rows_read: RowsRead) -> None:
        """``sale.parquet``: the one row of facts that checks need beside the sets."""
        experiment = self.plan.experiment
        row = {
            "sale": self.plan.shop.sale,
            "scheme": experiment.scheme,
            "dispatch": experiment.dispatch,
            "limiter_kind": experiment.limiter.kind if experiment.limited else "none",
            "stock": experiment.stock,
            "buyers": experiment.buyers,
            "per_buyer": experiment.per_buyer,
            "configured_per_s": experiment.configured_per_s,
            "workers": experiment.workers.count,
            "burst": experiment.burst,
            "t0_ns": self.latest.t0_ns,
            "drained": drained.at_ns is not None,
            "drained_ns": drained.at_ns,
            "deadline_s": experiment.drain.deadline_s,
            "near_misses": ledger.near_misses(),
            "left_units": ledger.left(),
            # Of a shop that is not told the time-out nothing is known; the checks then take Celery's hour.
            "redelivery_s": redelivery_s(experiment) if told_visibility(self.plan.shop, experiment) else None,
            "planned": self.plan.crowd.clicks,
            "sampler_hz": experiment.sampler.hz,
            "read_ns": rows_read.at_ns,
            "db_offset_ns": rows_read.clock and rows_read.clock.offset_ns,
            "db_uncertainty_ns": rows_read.clock and rows_read.clock.uncertainty_ns,
        }
        write_parquet(self.run_dir.path / "sale.parquet", SALE, [[row[column] for column in SALE]])


def write_request(run_dir: RunDir, planned: Plan, command: list[str]) -> None:
    """What was asked for, and where: the part of a run directory that is there before anything starts."""
    write_text(run_dir.path / "experiment.toml", planned.experiment.to_toml())
    shutil.copyfile(planned.shop_file, run_dir.path / "shop.toml")
    write_text(run_dir.path / "environment.json", describe(command, planned.given))
    write_plan(run_dir.path / PLAN, planned.offsets_ns, planned.crowd)
