"""Generators: the processes that buyers ran in, as their master saw them: ``generators.json`` of a run directory.

A run with one generator process needs no such file: its history is whole as far as it goes, and its clock is the run's.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from loadtest.errors import HarnessError

FILE = "generators.json"
# Names of buyers stay apart when several processes make them.
BUYERS_EACH = 1_000_000


@dataclass(frozen=True, slots=True)
class Generator:
    """One process. `offset_ns` is to be added to the times in its shard of the history, which are its own clock's.

    `planned` buy requests are what its `buyers` were to send at the least. `whole`: all that they began is in the shard. It is
    not where a process on another machine died before it had delivered everything.
    """

    generator: str
    process: int
    buyers: int = 0
    planned: int = 0
    whole: bool = False
    offset_ns: int = 0
    uncertainty_ns: int | None = None


def own_name(process: int, turn: int) -> str:
    """The name of buyer `turn` of `process`, both from 0."""
    return f"b-{process * BUYERS_EACH + turn + 1:06d}"


def write_generators(run_dir: Path, generators: Iterable[Generator]) -> None:
    """Writes the file anew, whole or not at all."""
    lines = ",\n".join(json.dumps(asdict(generator)) for generator in generators)
    # Not run_dir.write_text: that module brings DuckDB, which no generator needs.
    part = run_dir / f".{FILE}"
    part.write_text(f"[\n{lines}\n]\n")
    part.replace(run_dir / FILE)


def read_generators(run_dir: Path) -> list[Generator]:
    """The generators of a run; none where one process was all.

    Raises:
        HarnessError: the file is not what was written.
    """
    path = run_dir / FILE
    try:
        return [Generator(**each) for each in json.loads(path.read_text())]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError) as error:
        raise HarnessError(f"{path}: does not read: {error}; restore it from where the run was made") from None
