"""The matrix: one experiment run for every combination of some keys' values, or of named cells, each verdict compared with the expected one."""

import itertools
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from loadtest import SCHEMA_VERSION
from loadtest.campaign.cells import WarmStack, warm_stack
from loadtest.campaign.meanwhile import meanwhile
from loadtest.errors import HarnessError, UsageError
from loadtest.experiment.files import lay_over, load_experiment
from loadtest.experiment.schema import Expectation, Experiment
from loadtest.experiment.section import flatten
from loadtest.judge.verdict import Verdict, read_verdict
from loadtest.record.run_dir import create_directory
from loadtest.record.whole import write_text
from loadtest.sale.beforehand.plan import Plan, plan
from loadtest.sale.interrupt import interruptible
from loadtest.stack.external import Given

CELL = "cell"
ICONS = {"VALID": "✓", "INVALID": "✗", "UNKNOWN": "?"}


@dataclass(frozen=True)
class Cell:
    """One repeat of one combination, and its run directory `path`. `skipped`: why it cannot be run; `planned` is then None."""

    axes: Mapping[str, Any]
    repeat: int
    path: Path
    expected: str
    planned: Plan | None
    skipped: str | None = None

    @property
    def label(self) -> str:
        """Its values in one line: ``tokens · queued``."""
        return " · ".join(str(value) for value in self.axes.values())


@dataclass(frozen=True)
class Result:
    """The outcome of a cell; the fields are those of ``matrix.json``. `met`: its verdict is the expected one."""

    axes: Mapping[str, Any]
    repeat: int
    run_dir: str | None
    expected: str
    met: bool | None = None
    verdict: str | None = None
    failed_checks: tuple[str, ...] = ()
    sentence: str | None = None
    exit_code: int | None = None
    counts: Mapping[str, Any] = field(default_factory=dict)
    headline: Mapping[str, float | None] = field(default_factory=dict)
    skipped: str | None = None
    error: str | None = None


def run_matrix(
    experiment: Experiment,
    given: Given,
    directory: Path,
    repeat: int,
    command: list[str],
    console: Console,
    report: Callable[[Path], None],
) -> list[Result]:
    """Run every cell that has no verdict yet; a cell that fails does not stop the others. ``matrix.json`` is written after each.

    Raises:
        UsageError: before anything starts: an axis is not a key of an experiment, or no cell can be run.
        RunInterrupted: finished cells stay; `loadtest run --resume` goes on from there.
    """
    cells = list(plan_cells(experiment, given, directory, repeat))
    if all(cell.skipped for cell in cells):
        raise UsageError(f"matrix: no combination makes sense; the first: {cells[0].skipped}")
    directory.mkdir(parents=True, exist_ok=True)
    write_text(directory / "experiment.toml", experiment.to_toml())
    results: list[Result] = []
    began, fresh = time.monotonic(), 0
    kinds = {cell.planned.experiment.broker.kind for cell in cells if cell.planned}
    with interruptible(), meanwhile(report) as done, warm_stack(given, directory, command, kinds) as stack:
        for n, cell in enumerate(cells, start=1):
            finished = cell.skipped is not None or (cell.path / "verdict.json").is_file()
            results.append(_run_cell(cell, stack, directory, done))
            fresh += not finished
            _write(experiment, repeat, results, directory)
            left = [c for c in cells[n:] if not c.skipped and not (c.path / "verdict.json").is_file()]
            _tell(console, n, len(cells), cell, results[-1], (time.monotonic() - began) / max(1, fresh) * len(left))
    return results


def start_directory(experiment: Experiment, out: Path) -> Path:
    """Create a new directory for a matrix below `out`."""
    return create_directory(out, experiment.name, experiment.seed)


def plan_cells(experiment: Experiment, given: Given, directory: Path, repeat: int) -> Iterator[Cell]:
    """Every cell in order, checked. A combination that cannot be run becomes a cell with `skipped`.

    Raises:
        UsageError: an axis is not a key of an experiment, or a value is out of its range.
    """
    axes = axes_of(experiment)
    bare = experiment.model_copy(update={"matrix": {}, "cells": {}, "expect": ()})
    for number, values in enumerate(itertools.product(*axes.values()), start=1):
        chosen = dict(zip(axes, values, strict=True))
        keys = {key: value for key, value in chosen.items() if key != CELL}
        named = dict(flatten(experiment.cells[chosen[CELL]])) if CELL in chosen else {}
        one = lay_over(bare, named | keys, f"cells.{chosen[CELL]}" if named else "matrix")
        skipped, planned = None, None
        try:
            planned = plan(one, given)
        except UsageError as error:
            skipped = str(error)
        slug = "-".join(str(value).replace("/", "_") for value in values)
        for turn in range(1, repeat + 1):
            path = directory / "cells" / (f"{number:02d}-{slug}" + (f"-r{turn}" if repeat > 1 else ""))
            yield Cell(chosen, turn, path, expected_of(chosen, experiment.expect), planned, skipped)


def axes_of(experiment: Experiment) -> dict[str, list[Any]]:
    """Axis → values: the names of the cells (as the axis ``cell``), if there are any, then the keys of the matrix."""
    return ({CELL: list(experiment.cells)} if experiment.cells else {}) | experiment.matrix


def expected_of(axes: Mapping[str, Any], expectations: Sequence[Expectation]) -> str:
    """What is expected of a cell: the last expectation that fits it; ``valid`` without any."""
    fitting = [e.verdict for e in expectations if all(axes.get(key) == value for key, value in e.where.items())]
    return fitting[-1] if fitting else "valid"


def meets(verdict: Verdict, expected: str) -> bool:
    """Whether a verdict is the expected one; ``invalid:CHECK`` also needs that check among the failed ones."""
    wanted, _, check = expected.partition(":")
    return verdict.verdict == wanted.upper() and (not check or check in failed_checks(verdict))


def failed_checks(verdict: Verdict) -> tuple[str, ...]:
    """Names of the checks that came out INVALID."""
    return tuple(check.name for check in verdict.checks if check.verdict == "INVALID")


def _run_cell(cell: Cell, stack: WarmStack, directory: Path, done: Callable[[Path], None]) -> Result:
    where = str(cell.path.relative_to(directory))
    if cell.planned is None:
        return Result(cell.axes, cell.repeat, None, cell.expected, skipped=cell.skipped)
    try:
        if (cell.path / "verdict.json").is_file():
            verdict = read_verdict(cell.path)
        else:
            verdict = stack.run(cell.planned, cell.path, done)
    except HarnessError as error:
        return Result(cell.axes, cell.repeat, where, cell.expected, met=False, error=str(error))
    return Result(
        cell.axes, cell.repeat, where, cell.expected, meets(verdict, cell.expected), verdict.verdict,
        failed_checks(verdict), verdict.sentence, verdict.exit_code, asdict(verdict.counts), headline(verdict),
    )  # fmt: skip


def headline(verdict: Verdict) -> dict[str, float | None]:
    """The figures by which cells are compared."""
    won = verdict.latency_ms.get("won", {})
    return {
        "steady_per_s": verdict.rate.steady_per_s,
        "max_1s": verdict.rate.max_1s,
        "commits_max_per_s": verdict.shaving.commits_max_per_s,
        "shave_factor": verdict.shaving.factor,
        "lock_waits_max": verdict.shaving.lock_waits_max,
        "drain_s": verdict.drain_s,
        "fire_spread_ms": verdict.load.fire_spread_ms,
        "p50_ms": won.get("p50"),
        "p99_ms": won.get("p99"),
    }


def _write(experiment: Experiment, repeat: int, results: Sequence[Result], directory: Path) -> None:
    axes = axes_of(experiment)
    whole = {
        "schema_version": SCHEMA_VERSION, "name": experiment.name, "seed": experiment.seed, "repeat": repeat,
        "axes": axes, "cells": [asdict(result) for result in results],
    }  # fmt: skip
    write_text(directory / "matrix.json", json.dumps(whole, indent=2))


def _tell(console: Console, n: int, total: int, cell: Cell, result: Result, left_s: float) -> None:
    name = f"{cell.label}" + (f" (repeat {cell.repeat})" if cell.repeat > 1 else "")
    if result.skipped:
        said = (f"– skipped: {result.skipped}", "dim")
    elif result.error:
        said = (f"failed: {result.error.splitlines()[0]}", "red")
    else:
        icon, colour = ICONS[result.verdict or "UNKNOWN"], "green" if result.met else "red"
        found = f" {', '.join(result.failed_checks)}" if result.failed_checks else ""
        expected = "as expected" if result.met else f"expected {cell.expected}"
        said = (f"{icon} {result.verdict}{found}, {expected}", colour)
    console.print(
        Text.assemble(f"{n:>3}/{total} {name:<34} ", said, (f"  {left_s:,.0f} s left", "dim")), soft_wrap=True
    )


def load_started(directory: Path, given: Given) -> Experiment:
    """The experiment of the interrupted matrix in `directory`.

    Raises:
        UsageError: the directory holds no matrix, or a given service does not answer.
    """
    if not (directory / "matrix.json").is_file() and not (directory / "cells").is_dir():
        raise UsageError(f"--resume {directory}: expected the directory of a matrix, with a matrix.json")
    given.check()
    return load_experiment(str(directory / "experiment.toml"))
