"""The message by which the master gives each worker the sale before the buyers start. A worker needs no file of the run."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtest.errors import HarnessError
from loadtest.experiment.schema import Experiment
from loadtest.experiment.section import parse
from loadtest.load.http.endpoint import endpoint
from loadtest.load.options import Setup
from loadtest.manifest.shop import Shop
from loadtest.talk.roster import Roster, Rows, rooms

HANDOUT = "gate_handout"


@dataclass(frozen=True, slots=True)
class Place:
    """Which of the `processes` of a sale this one is; `process` counts from 0."""

    process: int
    processes: int

    @property
    def name(self) -> str:
        """The name of the process, as in the file names of its shards."""
        return f"g{self.process}"

    def shards(self, run_dir: Path) -> dict[str, Path]:
        """The files it records into, by kind: ``history``, ``answers`` and ``samples``."""
        return {
            "history": run_dir / "history" / f"{self.name}.jsonl",
            "answers": run_dir / "answers" / f"{self.name}.jsonl",
            "samples": run_dir / "samples" / f"generator-{self.name}.jsonl",
        }


def hand_out(setup: Setup, place: Place, roster: Roster, offsets_ns: Sequence[int] | None = None) -> dict[str, Any]:
    """The message for the worker at `place`, with its share of the users in `roster`. `offsets_ns` is the plan of arrivals, in
    nanoseconds after T0, where a worker could not make it because it comes from a file."""
    run_dir = setup.run_dir and setup.run_dir.resolve()
    return {
        "experiment": setup.experiment.to_toml(),
        "manifest": setup.manifest,
        "sale": setup.sale,
        "process": place.process,
        "processes": place.processes,
        "users": roster.share(place.process, place.processes) if roster.rows else None,
        "offsets_ns": offsets_ns and list(offsets_ns),
        "run_dir": run_dir and {"path": str(run_dir), "mark": mark(run_dir)},
    }


def take(message: Any, options: Any, host: str | None) -> tuple[Setup, Place]:
    """The sale in `message`, and this worker's place in it. Its `run_dir` is None if this process cannot reach the master's.

    Raises:
        HarnessError: there is no message, because this worker connected after the sale had begun.
    """
    if message is None or not host:
        raise HarnessError("the master handed out no sale; start every worker before the sale, with this very version")
    experiment = parse(Experiment, tomllib.loads(message["experiment"]), "the master's experiment")
    shop = parse(Shop, tomllib.loads(message["manifest"]), "the master's manifest")
    where = endpoint(host, Path(options.shop_ca) if options.shop_ca else None, options.shop_insecure)
    setup = Setup(experiment, shop, message["sale"], where, _here(message["run_dir"]), message["manifest"])
    return setup, Place(message["process"], message["processes"])


def take_roster(message: Any, setup: Setup, place: Place) -> Roster:
    """Who this worker's buyers are, from the master's `message`."""
    buyers, room, users = setup.shop.buyers, rooms(setup.experiment, place.processes), message["users"]
    if users is None:
        return Roster(buyers, room, None, place.process, place.processes)
    rows = Rows.of(users, "the master's users", len(users), buyers)
    return Roster(buyers, room, rows, place.process, place.processes, dealt=True)


def machine() -> str:
    """An identifier of this machine since its last boot; empty where there is none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    except OSError:  # not Linux
        return ""


def mark(run_dir: Path) -> list[Any]:
    """Identifies the directory: a process that gets an equal mark for this path sees the same directory on the same machine."""
    found = run_dir.stat()
    return [machine(), found.st_dev, found.st_ino]


def _here(run_dir: Any) -> Path | None:
    """The master's run directory, if this process sees the same one; else None."""
    if not run_dir:
        return None
    path = Path(run_dir["path"])
    try:
        seen = mark(path) == run_dir["mark"]
    except OSError:
        return None
    return path if seen and machine() else None
