"""What the master hands to each worker before the buyers come: the sale as a message, so that a worker needs no file of the run."""

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

HANDOUT = "gate_handout"


@dataclass(frozen=True, slots=True)
class Place:
    """A worker's place among the `processes` of a sale, from 0."""

    process: int
    processes: int

    @property
    def name(self) -> str:
        """The name of its shards."""
        return f"g{self.process}"

    def shards(self, run_dir: Path) -> dict[str, Path]:
        """Where it records, by the kind of what it records."""
        return {
            "history": run_dir / "history" / f"{self.name}.jsonl",
            "samples": run_dir / "samples" / f"generator-{self.name}.jsonl",
        }


def hand_out(setup: Setup, place: Place, offsets_ns: Sequence[int] | None = None) -> dict[str, Any]:
    """The message for the worker at `place`. `offsets_ns` is the plan of arrivals where it takes a file to make it."""
    run_dir = setup.run_dir and setup.run_dir.resolve()
    return {
        "experiment": setup.experiment.to_toml(),
        "manifest": setup.manifest,
        "sale": setup.sale,
        "process": place.process,
        "processes": place.processes,
        "offsets_ns": offsets_ns and list(offsets_ns),
        "run_dir": run_dir and {"path": str(run_dir), "mark": mark(run_dir)},
    }


def take(message: Any, options: Any, host: str | None) -> tuple[Setup, Place]:
    """The sale in `message`, and the place of this worker. `run_dir` is None where this machine does not have it.

    Raises:
        HarnessError: there is no message: this worker came when the sale had begun.
    """
    if message is None or not host:
        raise HarnessError("the master handed out no sale; start every worker before the sale, with this very version")
    experiment = parse(Experiment, tomllib.loads(message["experiment"]), "the master's experiment")
    shop = parse(Shop, tomllib.loads(message["manifest"]), "the master's manifest")
    where = endpoint(host, Path(options.shop_ca) if options.shop_ca else None, options.shop_insecure)
    setup = Setup(experiment, shop, message["sale"], where, _here(message["run_dir"]), message["manifest"])
    return setup, Place(message["process"], message["processes"])


def machine() -> str:
    """What tells this machine from every other, since its last start."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:  # not Linux: every machine is another
        return ""


def mark(run_dir: Path) -> list[Any]:
    """What a process finds at this path only if it is the same directory on the same machine."""
    found = run_dir.stat()
    return [machine(), found.st_dev, found.st_ino]


def _here(run_dir: Any) -> Path | None:
    """The master's run directory, where this process can write into it."""
    if not run_dir:
        return None
    path = Path(run_dir["path"])
    try:
        seen = mark(path) == run_dir["mark"]
    except OSError:
        return None
    return path if seen and machine() else None
