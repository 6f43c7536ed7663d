"""Changes the limit while a sale runs: `ask` writes a file into the run directory; the process that runs the sale tells the workers.

Only that process knows the broker's address, which may hold a password. It tells the workers by Celery's own remote control
(``rate_limit``), and writes each change to ``limits.jsonl``, so that the verdict judges every span of the run by the limit that held in it.

*Warning:* a worker that is restarted, as after a fault, comes back with the limit of the experiment, unless all share one.
"""

import json
import logging
import shutil
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from loadtest.errors import UsageError
from loadtest.experiment.schema import MOST_PER_S, Experiment
from loadtest.experiment.section import parse, read_toml
from loadtest.ledger.remote_control import celery_at
from loadtest.manifest.shop import Shop
from loadtest.record.run_dir import RunDir
from loadtest.record.whole import write_text

log = logging.getLogger(__name__)

ANSWER_S = 1.0  # for the workers to answer; the loop that runs the sale waits meanwhile
TAKEN_S = 5.0  # for the run to notice the request and record the change


@dataclass(frozen=True)
class Change:
    """A new limit. `together_per_s`: the limit of all workers together; `answered`: how many workers confirmed it."""

    time_ns: int
    rate_per_s: float
    together_per_s: float
    answered: int


@dataclass(frozen=True)
class Limits:
    """Makes the changes that are asked for in the ``control`` folder of a run."""

    run_dir: RunDir
    experiment: Experiment
    task: str
    broker: str

    def tick(self) -> None:
        """If a new limit was asked for, tell the workers and record it. Text that is no rate is logged and ignored."""
        asked = asking(self.run_dir.path)
        try:
            text = asked.read_text(encoding="utf-8", errors="replace")
            asked.unlink(missing_ok=True)
        except FileNotFoundError:
            return
        except OSError as error:  # somebody's folder of that name, or a file that may not be read
            log.warning("control/limit: expected a file with a number: %s", error.strerror)
            return
        try:
            rate_per_s = checked(float(text))
        except (ValueError, UsageError):
            log.warning("control/limit: expected a rate above 0, found %r", text[:40])
            return
        self._record(self._change(rate_per_s))

    def _change(self, rate_per_s: float) -> Change:
        at = time.time_ns()
        answered = self._tell(rate_per_s)
        return Change(at, rate_per_s, self.experiment.together_per_s(rate_per_s), answered)

    def _tell(self, rate_per_s: float) -> int:
        """Tell the workers; returns how many confirmed. An error is only logged: a broker that is away is no reason to end a sale."""
        options: dict[str, float] = {"max_retries": 1, "interval_start": 0, "interval_step": 0}
        if self.broker.startswith("redis"):
            options |= {"socket_timeout": ANSWER_S, "socket_connect_timeout": ANSWER_S}
        with celery_at(self.broker) as app:
            app.conf.update(broker_connection_timeout=ANSWER_S, broker_transport_options=options)
            try:
                with closing(app.connection_for_write()) as connection:
                    replies = app.control.rate_limit(
                        self.task, f"{rate_per_s:g}/s", connection=connection,
                        reply=True, timeout=ANSWER_S, limit=self.experiment.workers.count,
                    )  # fmt: skip
            except Exception:
                log.exception("the workers could not be told of the limit %g/s", rate_per_s)
                return 0
        return sum("ok" in answer for reply in replies or () for answer in reply.values())

    def _record(self, change: Change) -> None:
        with recorded(self.run_dir.path).open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(asdict(change)) + "\n")


@contextmanager
def open_limits(run_dir: RunDir, experiment: Experiment, shop: Shop, broker: str) -> Iterator[Limits | None]:
    """Accept changes of the limit while the context lasts; the ``control`` folder exists exactly that long.

    Gives None where the sale has no limiter, or the manifest does not name the task that is limited.
    """
    if not experiment.limited or shop.queue is None or shop.queue.task is None or shop.queue.kind != "celery":
        yield None
        return
    folder = asking(run_dir.path).parent
    folder.mkdir(exist_ok=True)
    try:
        yield Limits(run_dir, experiment, shop.queue.task, broker)
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # with what anybody else has put there


def ask(path: Path, rate_per_s: float) -> Change:
    """Ask the sale that runs in `path`, or in a cell of the matrix there, for a limit of `rate_per_s`; returns the recorded change.

    Raises:
        UsageError: the rate is none, no sale runs there, it has no limit to change, or it does not answer within `TAKEN_S`.
    """
    checked(rate_per_s)
    run = _running(path)
    before = len(changes(run))
    write_text(asking(run), f"{rate_per_s:g}")
    deadline = time.monotonic() + TAKEN_S
    while time.monotonic() < deadline:
        if len(made := changes(run)) > before:
            return made[-1]
        time.sleep(0.02)
    asking(run).unlink(missing_ok=True)
    raise UsageError(f"{run}: the run did not answer within {TAKEN_S:g} s; see whether it still goes on")


def checked(rate_per_s: float) -> float:
    """The rate, if a limiter can have it. Raises UsageError for one that is not above 0, is infinite, or is no number."""
    if not 0 < rate_per_s <= MOST_PER_S:
        raise UsageError(f"limit {rate_per_s:g}: expected orders a second, above 0 and at most {MOST_PER_S:,.0f}")
    return rate_per_s


def changes(run: Path) -> list[Change]:
    """Every change recorded so far in the run directory `run`."""
    if not recorded(run).is_file():
        return []
    return [Change(**json.loads(line)) for line in recorded(run).read_text(encoding="utf-8").splitlines()]


def asking(run: Path) -> Path:
    """The file that asks for a limit: its text is the rate per second."""
    return run / "control" / "limit"


def recorded(run: Path) -> Path:
    """The file that changes are recorded in, one JSON line each."""
    return run / "limits.jsonl"


def _running(path: Path) -> Path:
    for run in (path, *sorted(path.glob("cells/*"), reverse=True)):
        if asking(run).parent.is_dir():
            return run.resolve()
    if (path / "experiment.toml").is_file() and (path / "shop.toml").is_file():
        experiment = parse(Experiment, read_toml(path / "experiment.toml"), "experiment.toml")
        shop = parse(Shop, read_toml(path / "shop.toml"), "shop.toml")
        if not experiment.limited:
            raise UsageError(f"{path}: the run has no limiter, so there is no limit to change; set limiter.kind")
        if shop.queue is None or shop.queue.task is None:
            raise UsageError(f"{path}: the manifest does not name the task that is limited; set task in its [queue]")
    raise UsageError(
        f"{path}: no sale is in progress there; give the directory of one that is, or start one: loadtest run"
    )
