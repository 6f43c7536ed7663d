"""Generators: the processes that buyers ran in, as their master recorded them in ``generators.json`` of a run directory.

A run with a single generator process has no such file: its clock is that of the run, and no history had to be delivered.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from loadtest.errors import HarnessError
from loadtest.record.whole import write_text

FILE = "generators.json"
# The most buyers of a sale. In runs of older versions each process numbered its buyers within a range of this size.
BUYERS_EACH = 1_000_000


@dataclass(frozen=True, slots=True)
class Generator:
    """One generator process.

    Args:
        generator: its name, which is also that of its shard.
        process: its number, from 0.
        buyers: how many buyers it ran.
        planned: the buy requests that they were to send at least.
        whole: everything that its buyers began is in the shard; False where a process died before it had delivered it.
        offset_ns: to be added to the times in the shard, which are by its own clock.
        uncertainty_ns: by how much that offset may be wrong; None: not known.
        taking_turns: how many processes took turns at the buyers; None: each had a range of BUYERS_EACH (runs of older versions).
    """

    generator: str
    process: int
    buyers: int = 0
    planned: int = 0
    whole: bool = False
    offset_ns: int = 0
    uncertainty_ns: int | None = None
    taking_turns: int | None = None

    @property
    def numbers(self) -> range:
        """The numbers in the names of its buyers, where the manifest names them no other way: ``b-000001`` has 1."""
        if self.taking_turns is None:
            return range(self.process * BUYERS_EACH + 1, (self.process + 1) * BUYERS_EACH + 1)
        return range(self.process + 1, BUYERS_EACH * self.taking_turns, self.taking_turns)


def write_generators(run_dir: Path, generators: Iterable[Generator]) -> None:
    """Write or replace ``generators.json``, whole or not at all."""
    lines = ",\n".join(json.dumps(asdict(generator)) for generator in generators)
    write_text(run_dir / FILE, f"[\n{lines}\n]\n")


def read_generators(run_dir: Path) -> list[Generator]:
    """The generators of a run; an empty list where there was a single process.

    Raises:
        HarnessError: the file cannot be read, or does not parse.
    """
    path = run_dir / FILE
    try:
        return [Generator(**each) for each in json.loads(path.read_text(encoding="utf-8"))]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError) as error:
        raise HarnessError(f"{path}: does not read: {error}; restore it from where the run was made") from None
