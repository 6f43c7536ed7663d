"""Reads the cells that a comparison shows: from the directory of a matrix, or from runs given one by one.

Verdicts and figures come from the run directories; ``matrix.json`` adds which cells there are and what was expected.
"""

import itertools
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from reports.data import RunData, open_run
from reports.verdict import INCOMPLETE, Verdict, number, plain

MOST = 10_000  # combinations of a matrix that are read, at most
FEW = 3  # up to so many keys, a cell's name has all of them
COMMIT, MACHINE, PLAN = "commit", "machine", "plan"  # shown beside the keys of the experiment
NOT_THE_SALE = ("name", "matrix", "cells", "expect")  # keys that change nothing in a sale


@dataclass(frozen=True)
class Trial:
    """One run of a cell. `met`: whether its verdict is the expected one; None if none was expected, or it is not known."""

    repeat: int
    path: Path | None
    verdict: Verdict
    met: bool | None = None
    error: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)  # dotted key of the experiment → value
    environment: Mapping[str, Any] = field(default_factory=dict)
    winners_ms: Mapping[str, float] = field(default_factory=dict)  # p50, p99 …

    @property
    def state(self) -> str:
        """The verdict in one word; INCOMPLETE without one."""
        return self.verdict.state


@dataclass(frozen=True)
class Cell:
    """One configuration. `repeats` is how often it was to run; without trials it is skipped, or has not run yet."""

    number: int
    label: str
    axes: Mapping[str, str]
    repeats: int
    trials: tuple[Trial, ...] = ()
    expected: str | None = None
    skipped: str | None = None

    @property
    def judged(self) -> tuple[Trial, ...]:
        """The trials that have a verdict."""
        return tuple(trial for trial in self.trials if trial.state != INCOMPLETE)

    @property
    def pooled(self) -> tuple[Trial, ...]:
        """The judged trials that were run like the first of them: by one commit, on one machine. Only their figures are taken together."""
        return tuple(trial for trial in self.judged if trial.settings == self.judged[0].settings)


@dataclass(frozen=True)
class Comparison:
    """Cells, and the keys in which they differ with the values of each. `notices` say what could not be read.

    `planned`: the cells are those of a matrix, so that each has an expected verdict, and some may not have run.
    """

    name: str
    axes: Mapping[str, tuple[str, ...]]
    cells: tuple[Cell, ...]
    planned: bool
    notices: tuple[str, ...] = ()


def read_matrix(directory: Path) -> Comparison:
    """The matrix in `directory`. If ``matrix.json`` cannot be read, the runs under ``cells``.

    Raises:
        FileNotFoundError: `directory` is not a directory, or holds no matrix.json.
    """
    path = directory / "matrix.json"
    if not path.is_file():
        raise FileNotFoundError(f"{directory}: expected the directory of a matrix, with a matrix.json; found none")
    try:
        data = json.loads(path.read_text(encoding="utf-8", errors="replace"))
        if not isinstance(data, dict) or not isinstance(data.get("axes"), dict):
            raise TypeError("it names no axes")  # noqa: TRY301 - the reason is said below, like any other
    except (OSError, ValueError, TypeError) as error:
        runs = read_runs(sorted(each for each in (directory / "cells").glob("*") if each.is_dir()))
        notice = f"matrix.json cannot be read ({plain(error)}): these are the runs under cells, and what was expected of them is not known."
        return Comparison(directory.name, runs.axes, runs.cells, False, (notice, *runs.notices))
    return _matrix(data, directory)


def read_runs(run_dirs: Sequence[Path]) -> Comparison:
    """Plain runs. Repeats of one configuration, by one commit on one machine, are one cell; the axes are the keys in which the runs differ."""
    paths = list(dict.fromkeys(path.resolve() for path in run_dirs))
    trials = [_trial(path, 1) for path in paths]
    keys = dict.fromkeys(key for trial in trials for key in trial.settings)
    known = [trial for trial in trials if trial.settings]
    differing = [key for key in keys if len({trial.settings.get(key, "–") for trial in known}) > 1]
    groups: dict[tuple[str, ...], list[Trial]] = {}
    for trial in trials:
        values = tuple(trial.settings.get(key, "–") for key in differing)
        alone = () if trial.settings else (str(trial.path),)
        groups.setdefault((*values, *alone), []).append(trial)
    usual = {key: Counter(trial.settings.get(key, "–") for trial in known).most_common(1)[0][0] for key in differing}
    cells = [_group(n, usual, group) for n, group in enumerate(groups.values(), start=1)]
    axes = {key: tuple(dict.fromkeys(cell.axes[key] for cell in cells if cell.axes)) for key in differing}
    names = {trial.verdict.name for trial in trials if trial.verdict.name}
    return Comparison(" and ".join(sorted(names)) or "runs", axes, tuple(cells), planned=False)


def text(value: object) -> str:
    """The value of a key in one line."""
    if isinstance(value, list | tuple):
        return ", ".join(map(text, value)) or "none"
    if isinstance(value, dict):
        return " ".join(f"{plain(key)} {text(each)}" for key, each in value.items())
    return plain(value) if value != "" else "none"


def _matrix(data: dict[str, Any], directory: Path) -> Comparison:
    axes = {plain(key): values for key, values in data["axes"].items() if isinstance(values, list) and values}
    repeats = max(1, int(number(data.get("repeat")) or 1))
    combinations = itertools.islice(itertools.product(*axes.values()), MOST) if axes else ()
    points: dict[str, dict[str, Any]] = {_key(p): p for p in (dict(zip(axes, v, strict=True)) for v in combinations)}
    found: dict[str, list[dict[str, Any]]] = {key: [] for key in points}
    for entry in entries if isinstance(entries := data.get("cells"), list) else []:
        if isinstance(entry, dict) and isinstance(point := entry.get("axes"), dict):
            points.setdefault(_key(point), point)
            found.setdefault(_key(point), []).append(entry)
    cells = tuple(_cell(n, points[key], found[key], repeats, directory) for n, key in enumerate(found, start=1))
    shown = {key: tuple(dict.fromkeys(map(text, values))) for key, values in axes.items()}
    notices = (*_disagreements(cells, list(found.values())), *_unlike(cells))
    return Comparison(plain(data.get("name") or directory.name), shown, cells, True, notices)


def _cell(place: int, axes: dict[str, Any], entries: list[dict[str, Any]], repeats: int, directory: Path) -> Cell:
    skipped = next((plain(entry["skipped"]) for entry in entries if entry.get("skipped")), None)
    expected = next((plain(entry["expected"]) for entry in entries if entry.get("expected")), None)
    return Cell(
        number=place,
        label=_label(axes),
        axes={plain(key): text(value) for key, value in axes.items()},
        repeats=max(repeats, len(entries)),
        trials=() if skipped else tuple(_planned_trial(entry, directory) for entry in entries),
        expected=expected,
        skipped=skipped,
    )


def _planned_trial(entry: dict[str, Any], directory: Path) -> Trial:
    """A run as ``matrix.json`` names it; INCOMPLETE if its directory is missing, or is said to lie outside the matrix."""
    repeat = int(number(entry.get("repeat")) or 1)
    error = plain(entry["error"]) if entry.get("error") else None
    place = entry.get("run_dir")
    path = directory / place if isinstance(place, str) and "\0" not in place else None
    if path is not None and not path.resolve().is_relative_to(directory.resolve()):
        return Trial(repeat, None, Verdict(INCOMPLETE, "Its run directory is said to lie outside the matrix."))
    trial = _trial(path, repeat)
    met = entry.get("met") if entry.get("verdict") == trial.state else None
    return Trial(
        repeat, trial.path, trial.verdict, False if error else met if isinstance(met, bool) else None, error,
        trial.settings, trial.environment, trial.winners_ms,
    )  # fmt: skip


def _trial(path: Path | None, repeat: int) -> Trial:
    """What the run directory `path` says. Never raises, so that no run can stop the page."""
    if path is None:
        return Trial(repeat, None, Verdict(INCOMPLETE, "It has no run directory."))
    try:
        with open_run(path) as run:
            settings = {plain(key): text(value) for key, value in run.experiment.items() if _matters(key)}
            settings |= origin(run) if settings else {}
            return Trial(
                repeat, path, run.verdict, settings=settings, environment=run.environment,
                winners_ms=_winners_ms(path / "verdict.json"),
            )  # fmt: skip
    except FileNotFoundError:
        return Trial(repeat, None, Verdict(INCOMPLETE, f"Its run directory is not there: {plain(path.name)}."))
    except Exception as error:  # a comparison that lacks one cell is better than none
        return Trial(repeat, path, Verdict(INCOMPLETE, f"It cannot be read: {type(error).__name__}: {plain(error)}"))


def origin(run: RunData) -> dict[str, str]:
    """What makes two runs of one experiment unlike: the commit, the machine, and for a replay, whose file may have changed, its plan."""
    commit = str(run.environment.get("git_sha") or "")
    found = {COMMIT: plain(commit or None), MACHINE: machine(run.environment)}
    if run.experiment.get("arrivals.kind") == "replay":
        plan = run.path / "arrivals.csv"
        found[PLAN] = sha256(plan.read_bytes()).hexdigest()[:8] if plan.is_file() else "–"
    return found


def machine(environment: Mapping[str, Any]) -> str:
    """The machine of a run in one line: ``2 × AMD EPYC 7B13, Linux-6.1-x86_64``."""
    count, model, system = (plain(environment.get(key)) for key in ("cpu_count", "cpu_model", "platform"))
    return f"{count} × {model if model != '–' else 'CPU'}, {system}"


def _matters(key: str) -> bool:
    return key.partition(".")[0] not in NOT_THE_SALE


def _winners_ms(path: Path) -> dict[str, float]:
    try:
        won = json.loads(path.read_text(encoding="utf-8", errors="replace"))["latency_ms"]["won"]
        return {str(key): float(value) for key, value in won.items() if number(value) is not None}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _group(place: int, usual: Mapping[str, str], trials: list[Trial]) -> Cell:
    """`trials` of one configuration. If many keys differ, its name has those whose value is not the `usual` one."""
    first = trials[0]
    axes = {key: first.settings.get(key, "–") for key in usual} if first.settings else {}
    where = plain(first.path.name) if first.path else "a run that is not there"
    shown = [key for key in axes if len(axes) <= FEW or key in ("scheme", "dispatch") or axes[key] != usual[key]]
    label = " · ".join(_named(key, axes[key]) for key in shown)
    alone = "the usual configuration" if axes else "the one configuration" if first.settings else where
    numbered = tuple(
        Trial(n, each.path, each.verdict, None, None, each.settings, each.environment, each.winners_ms)
        for n, each in enumerate(trials, start=1)
    )
    return Cell(place, label or alone, axes, len(trials), numbered)


def _key(point: Mapping[str, Any]) -> str:
    return json.dumps(point, sort_keys=True)


def _label(axes: Mapping[str, Any]) -> str:
    """The name of a cell: strings as they are, other values after the last part of their key."""
    return " · ".join(
        plain(value) if isinstance(value, str) and value else f"{plain(key).rpartition('.')[2]} {text(value)}"
        for key, value in axes.items()
    )


def _named(key: str, value: str) -> str:
    word = value.replace("_", "").isalpha() and value not in ("yes", "no", "none")
    return value if word else f"{key.rpartition('.')[2]} {value}"


def _unlike(cells: Sequence[Cell]) -> Iterator[str]:
    """A notice for each cell whose repeats were not run alike."""
    for cell in cells:
        apart = len(cell.judged) - len(cell.pooled)
        if apart:
            first = cell.judged[0].settings
            keys = sorted(
                {
                    key
                    for trial in cell.judged
                    for key in {**trial.settings, **first}
                    if trial.settings.get(key) != first.get(key)
                }
            )
            yield (
                f"{cell.label}: {apart} of its repeats were not run like the first one, but with another {' and '.join(keys)}, and are left out of its figures. "
                "To have them all alike, run the matrix anew."
            )


def _disagreements(cells: Sequence[Cell], found: Sequence[list[dict[str, Any]]]) -> Iterator[str]:
    """A notice for each run that was judged again since the matrix ran, with another verdict."""
    for cell, entries in zip(cells, found, strict=True):
        for trial, entry in zip(cell.trials, entries, strict=False):
            said = entry.get("verdict")
            if said is not None and trial.error is None and said != trial.state:
                yield (
                    f"{cell.label}, repeat {trial.repeat}: verdict.json says {trial.state}, matrix.json {plain(said)}. "
                    "It is shown as verdict.json has it; run the matrix again with --resume to bring both together."
                )
