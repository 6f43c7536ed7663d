"""Loads experiments from TOML files, shipped or the user's own, and applies overrides to them."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from loadtest.errors import UsageError
from loadtest.experiment.names import nearest
from loadtest.experiment.schema import Experiment
from loadtest.experiment.section import parse, read_toml
from loadtest.experiment.sentences import keys, unknown_key

# What other tools call it, and where this one has it.
INSTEAD = {
    "users": "buyers",
    "vus": "buyers",
    "clients": "buyers",
    "concurrency": "buyers, or workers.concurrency",
    "duration": "arrivals.for_s, with arrivals.kind poisson or uniform",
    "run_time": "arrivals.for_s, with arrivals.kind poisson or uniform",
    "runtime": "arrivals.for_s, with arrivals.kind poisson or uniform",
    "spawnrate": "arrivals.rate_per_s, with arrivals.kind spawned",
    "rps": "arrivals.rate_per_s, with arrivals.kind poisson or uniform",
    "stages": "arrivals.steps, with arrivals.kind stepped",
    "rampup": "arrivals.steps, with arrivals.kind stepped",
    "timeout": "arrivals.timeout_s",
    "thinktime": "arrivals.kind: when each buyer comes",
    "host": "[http] base_url of the manifest",
    "url": "[http] base_url of the manifest",
    "manifest": "shop",
    "checks": "thresholds for measures; the invariants are always judged",
}

ROOT = Path(__file__).parent.parent.parent
SHIPPED = ROOT / "scenarios" / "experiments"


def load_experiment(name: str, overrides: Sequence[str] = ()) -> Experiment:
    """The experiment in the TOML file `name` (a path, or the name of a shipped one), with ``key=value`` overrides.

    Files that it names are looked for beside it, from the working directory, and in the package; those of overrides not beside it.

    Raises:
        UsageError: no such file, not TOML, an unknown key, or a value out of its range.
    """
    path = find_experiment(name)
    data = read_toml(path)
    _find_beside(data, path.parent)
    for override in overrides:
        _override(data, override)
    return parse(Experiment, data, str(path), INSTEAD)


def lay_over(experiment: Experiment, values: Mapping[str, Any], source: str) -> Experiment:
    """`experiment` with the dotted keys in `values` set, checked as a whole.

    Raises:
        UsageError: an unknown key, or a value out of its range.
    """
    data = experiment.model_dump(exclude_none=True, mode="json")
    for key, value in values.items():
        _set(data, key, value, source)
    return parse(Experiment, data, source)


def find_experiment(name: str) -> Path:
    """The file of an experiment given by path or by shipped name."""
    if name.endswith(".toml") or "/" in name:
        path = Path(name)
        if not path.is_file():
            raise UsageError(f"experiment {name!r}: no such file; give a TOML file or one of: {', '.join(shipped())}")
        return path
    if name not in shipped():
        raise UsageError(
            f"experiment {name!r}: not shipped, and not a path to a .toml file; {nearest(name, shipped())}"
        )
    return SHIPPED / f"{name}.toml"


def shipped() -> list[str]:
    """Names of the experiments that come with the package."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


def find_file(name: str) -> Path:
    """The file named in an experiment: as given, from the working directory, or from the installed package. Raises UsageError if there is none."""
    for base in (Path(), ROOT):
        if (base / name).is_file():
            return (base / name).resolve()
    raise UsageError(f"{name!r}: no such file here ({Path.cwd()}) nor in the package; give a path that exists")


def _find_beside(data: dict[str, Any], folder: Path) -> None:
    """Make absolute the files that are named as they stand in `folder`: wherever the command is given, they are the same."""
    for table, key in ((data, "shop"), (data, "scenario"), (data.get("arrivals"), "file")):
        name = table.get(key) if isinstance(table, dict) else None
        if isinstance(table, dict) and isinstance(name, str) and name and (folder / name).is_file():
            table[key] = str((folder / name).resolve())


def _override(data: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise UsageError(f"--set {override!r}: expected key=value, such as --set stock=5000")
    _set(data, key, _value(text), f"--set {override!r}")


def _set(data: dict[str, Any], key: str, value: Any, source: str) -> None:
    if key not in set(keys(Experiment)):
        raise UsageError(f"{source}: {unknown_key(key, Experiment, INSTEAD)}")
    *tables, last = key.split(".")
    for table in tables:
        data = data.setdefault(table, {})
    data[last] = value


def _value(text: str) -> Any:
    """A value as TOML would read it; a bare word is a string."""
    try:
        return tomllib.loads(f"v = {text}")["v"]
    except tomllib.TOMLDecodeError:
        return text
