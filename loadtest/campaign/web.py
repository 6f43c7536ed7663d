"""``loadtest run --web``: sales started from Locust's web page, each prepared, run and judged like any other."""

import re
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console
from rich.text import Text

from loadtest.campaign.cells import WarmStack, warm_stack
from loadtest.errors import HarnessError, RunInterrupted, ServiceError, UsageError, logged
from loadtest.experiment.files import lay_over
from loadtest.experiment.schema import Experiment
from loadtest.judge.verdict import Verdict
from loadtest.record.run_dir import RunDir, create, create_directory
from loadtest.sale.beforehand.plan import Plan, plan
from loadtest.sale.desk import FORM, Desk, Held, State, Wish, offers_of
from loadtest.sale.interrupt import interruptible
from loadtest.sale.load_process import Load, buyers_arguments
from loadtest.sale.progress import Latest, Progress, showing
from loadtest.sale.run import TICK_S
from loadtest.stack import surroundings
from loadtest.stack.external import Given
from loadtest.stack.process import Command, Process, Supervisor

HOST = "127.0.0.1"
NAME = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
READY_S = 20
HANG_UP_S = 5


@dataclass(frozen=True)
class Page:
    """The address of Locust's web page on this machine, whether it asks for a login, and the names that a proxy before it has."""

    port: int
    base_path: str = ""
    login: bool = False
    names: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        """The page on which sales are started."""
        return f"http://{HOST}:{self.port}{self.base_path}/flash-sale"

    def listening(self) -> bool:
        """Whether something accepts connections on the port."""
        with socket.socket() as probe:
            return probe.connect_ex((HOST, self.port)) == 0

    def check(self) -> None:
        """Check the address before anything starts.

        Raises:
            UsageError: the port is taken, the base path is not a path, or a name is none.
        """
        for name in self.names:
            if not NAME.fullmatch(name):
                raise UsageError(
                    f"--web-name {name}: expected what the browser asks for, such as sale.example.com or sale.example.com:8443"
                )
        if self.base_path and (not self.base_path.startswith("/") or self.base_path.endswith("/")):
            raise UsageError(
                f"--web-base-path {self.base_path}: expected a path such as /locust, with no slash at its end"
            )
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, self.port))
            except OSError as error:
                raise UsageError(
                    f"--web-port {self.port}: cannot listen there ({error.strerror}); give another, or stop who does"
                ) from None


def serve(
    experiment: Experiment,
    given: Given,
    out: Path,
    page: Page,
    command: list[str],
    console: Console,
    done: Callable[[Path], None],
    shown: Callable[[Verdict, Path], None],
) -> None:
    """Run a sale for each wish of the page, until Ctrl-C. `done` gets each run directory, `shown` each verdict with it.

    1. Check what can be checked before anything starts.
    2. Start Postgres, Redis and the broker, or take the given ones; they stay warm.
    3. Start Locust with its page, on this machine only.
    4. For each wish: a run directory, the shop anew, the buyers in Locust's process, drain, final reads, verdict.
    5. Stop everything, in reverse order.

    Raises:
        UsageError: the experiment is wrong or its arrivals are not a herd, or the port cannot be used.
        ServiceError: Locust or a service did not come up, or died.
        RunInterrupted: Ctrl-C during a sale, which then has no verdict. Between two sales Ctrl-C ends this function normally.
    """
    page.check()
    if experiment.arrivals.kind != "herd":
        raise UsageError(
            f"--web: the page lets a herd in, and arrivals.kind is {experiment.arrivals.kind!r}; run that without --web, or "
            "set arrivals.kind=herd"
        )
    first = plan(experiment, given)
    directory = create_directory(out, "web", experiment.seed)
    counter: Counter | None = None
    try:
        with (
            interruptible() as check_interrupted,
            warm_stack(given, directory, command, [experiment.broker.kind]) as stack,
        ):
            desk = Desk.open(directory / "desk", offers_of(experiment, first.shop))
            locust = stack.supervisor.start(page_command(first, page, desk))
            locust.wait_ready(page.listening, READY_S)
            console.print(Text(f"page    {page.url}   (Ctrl-C ends it)"), soft_wrap=True)
            counter = Counter(experiment, given, out, stack, desk, locust, console, done, shown)
            counter.serve(check_interrupted)
    except RunInterrupted:
        if counter is None or counter.busy:
            raise
        console.print("ended", style="dim")


@dataclass
class Counter:
    """Takes wishes from the desk and runs a sale for each, one after the other. `busy`: a sale is running."""

    experiment: Experiment
    given: Given
    out: Path
    stack: WarmStack
    desk: Desk
    locust: Process
    console: Console
    done: Callable[[Path], None]
    shown: Callable[[Verdict, Path], None]
    state: State = field(default_factory=State)
    busy: bool = False

    def serve(self, check_interrupted: Callable[[], None]) -> None:
        """Run one sale for each wish, without end; a sale that fails does not stop the next.

        Raises:
            ServiceError: Locust has ended, and its page with it.
        """
        while True:
            wish = self.desk.wish()
            if wish and wish.number > self.state.number:
                self.busy = True
                self._hold(wish)
                check_interrupted()
                self.busy = False
            if self.locust.exit_code() is not None:
                raise ServiceError(f"locust ended with {self.locust.exit_code()}:\n{self.locust.log_tail()}")
            time.sleep(TICK_S)

    def _hold(self, wish: Wish) -> None:
        try:
            with logged(self.desk.directory.parent / "logs"):
                planned = plan(wished(self.experiment, wish), self.given)
        except HarnessError as error:
            self.show(State(wish.number, "refused", error=str(error), held=self.state.held))
            return
        asked = planned.experiment
        try:
            run_dir = create(self.out, asked.name, asked.seed).path
        except UsageError as error:
            self.show(State(wish.number, "failed", error=str(error), held=self.state.held))
            return
        self.show(
            State(
                wish.number, "preparing", str(run_dir.resolve()), None, asked.stock, asked.buyers,
                asked.configured_per_s, asked.limiter.rate_per_s, held=self.state.held,
            )
        )  # fmt: skip
        try:
            verdict = self._judged(planned, run_dir)
        except HarnessError as error:
            self._end("failed", Held(wish.number, str(run_dir.resolve()), None, str(error), wish.values))
            self.console.print(Text(f"sale {wish.number}: {error}", style="red"))
        else:
            held = Held(wish.number, str(run_dir.resolve()), verdict.verdict, verdict.sentence, wish.values)
            self._end("judged", held)
            self.shown(verdict, run_dir)

    def _judged(self, planned: Plan, run_dir: Path) -> Verdict:
        with showing(self.console) as progress:
            return self.stack.run(planned, run_dir, self.done, Both(progress, self._phase), self._buyers)

    def _buyers(self, _planned: Plan, _run_dir: RunDir, _supervisor: Supervisor, base_url: str) -> Load:
        """The buyers of the page's Locust."""
        return PageBuyers(self, base_url)

    def _phase(self, name: str) -> None:
        if name != "gathering":  # `_buyers` shows that one, with the shop's address
            self.show(replace(self.state, phase=name))

    def _end(self, phase: str, held: Held) -> None:
        error = held.sentence if phase == "failed" else None
        self.show(replace(self.state, phase=phase, error=error, held=(*self.state.held, held)))

    def show(self, state: State) -> None:
        """Tell the page."""
        self.state = state
        self.desk.show(state)


@dataclass(frozen=True)
class PageBuyers:
    """The buyers of one sale, in the Locust that shows the page; see `Load`."""

    counter: Counter
    base_url: str

    def begin(self) -> None:
        """Tell the page where the shop is."""
        self.counter.show(replace(self.counter.state, phase="gathering", base_url=self.base_url))

    def end(self) -> None:
        """Wait until they have hung up and their history is closed, or as long as that may take."""
        # A phase after the load's tells the page to stop whoever is left.
        self.counter.show(replace(self.counter.state, phase="draining"))
        deadline = time.monotonic() + HANG_UP_S
        while self.exit_code() is None and time.monotonic() < deadline:
            time.sleep(TICK_S)

    def exit_code(self) -> int | None:
        """None while there are any; Locust's own exit code when it died with them."""
        ended = self.counter.locust.exit_code()
        return 0 if ended is None and self.counter.desk.gone(self.counter.state.number) else ended

    def log_tail(self) -> str:
        """The last lines of Locust's log."""
        return self.counter.locust.log_tail()


@dataclass(frozen=True)
class Both:
    """Shows progress on the terminal, and passes each phase to `also`."""

    terminal: Progress
    also: Callable[[str], None]

    def phase(self, name: str) -> None:
        """Tell both."""
        self.terminal.phase(name)
        self.also(name)

    def tick(self, latest: Latest) -> None:
        """Show the terminal only: the page reads the samples itself."""
        self.terminal.tick(latest)


def wished(experiment: Experiment, wish: Wish) -> Experiment:
    """`experiment` with the values of a wish.

    Raises:
        UsageError: a key that the page may not set, or a value out of its range.
    """
    for key in wish.values:
        if key not in FORM:
            raise UsageError(f"{key}: cannot be set from the page; set it where loadtest was started: --set {key}=…")
    return lay_over(experiment, wish.values, "the form")


def page_command(planned: Plan, page: Page, desk: Desk) -> Command:
    """The command that starts Locust with its web page, reachable from this machine only."""
    buyers = str(planned.experiment.buyers)
    argv = [
        sys.executable, "-P", "-m", "loadtest.load.launch", "-f", str(planned.scenario), "-u", buyers, "-r", buyers,
        "--web-host", HOST, "--web-port", str(page.port), "--web-base-path", page.base_path,
        *(["--web-login"] if page.login else []), "--desk", str(desk.directory.resolve()), "--only-summary",
        *(f"--web-names={name}" for name in page.names), *buyers_arguments(planned),
    ]  # fmt: skip
    return Command("generator", "locust", argv, env=surroundings.passed_on(planned.shop.pass_env))
