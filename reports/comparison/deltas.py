"""Figures of each cell beside those of the first: median, least and most of its repeats, never one number alone.

“Better” and “worse” are said only of cells that were run on the same machine, with the same seed and the same
arrivals, three times each or more, and whose repeats do not overlap. Three and three stand apart by chance in one case
of ten (2 of the 20 orders of six values); two and two in one of three.
"""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reports.comparison.cells import Cell, Trial, machine
from reports.verdict import number_text

ENOUGH = 3  # repeats that a judgement needs
# Keys of the experiment that decide who arrives when.
ARRIVALS = ("arrivals.", "traffic.", "buyers", "scenario")


@dataclass(frozen=True)
class Measure:
    """One figure. `lower_is_better` is None if neither direction is better; `as_count`: a delta is a difference, not a factor."""

    name: str
    unit: str
    read: Callable[[Trial], float | None]
    lower_is_better: bool | None = None
    as_count: bool = False


MEASURES = (
    Measure("sold", "units", lambda trial: trial.verdict.counts.get("sold"), as_count=True),
    Measure("oversold", "units", lambda trial: trial.verdict.counts.get("oversold"), True, as_count=True),
    Measure("winners p99", "ms", lambda trial: trial.winners_ms.get("p99"), True),
    Measure("steady rate", "/s", lambda trial: trial.verdict.rate.get("steady_per_s")),
    Measure("busiest second", "rows", lambda trial: trial.verdict.rate.get("max_1s")),
    Measure("peak commits", "/s", lambda trial: trial.verdict.shaving.get("commits_max_per_s"), True),
    Measure("shaved", "×", lambda trial: trial.verdict.shaving.get("factor")),
    Measure("most lock waits", "backends", lambda trial: trial.verdict.shaving.get("lock_waits_max"), True),
    Measure("drain", "s", lambda trial: trial.verdict.drain_s, True),
)


@dataclass(frozen=True)
class Spread:
    """A measure over repeats."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def overlaps(self, other: "Spread") -> bool:
        """Whether the ranges have a value in common."""
        return min(self.values) <= max(other.values) and min(other.values) <= max(self.values)


@dataclass(frozen=True)
class Figure:
    """A measure of a cell as it is shown."""

    median: str
    range: str = ""
    delta: str = ""
    word: str = ""


@dataclass(frozen=True)
class Row:
    """A cell's figures. `refusal` says why nothing is called better or worse, though the figures differ."""

    cell: Cell
    repeats: int
    figures: tuple[Figure, ...]
    refusal: str = ""


@dataclass(frozen=True)
class Deltas:
    """The table. `baseline` is None when there is nothing to compare with; `why` then says so."""

    baseline: Cell | None
    why: str
    rows: tuple[Row, ...]


def deltas(cells: Sequence[Cell]) -> Deltas:
    """Figures of every cell that was to run, and how they differ from the first's."""
    ran = [cell for cell in cells if cell.trials]
    first = next((cell for cell in cells if not cell.skipped), None)
    baseline, why = (first, "") if first is not None and first.judged else (None, _no_first(first))
    judged = [cell for cell in ran if cell.judged]
    if baseline is not None and len(judged) < 2:
        baseline, why = None, "only one cell has figures, so there is nothing to hold them against."
    return Deltas(baseline, why, tuple(_row(cell, baseline) for cell in ran))


def _no_first(first: Cell | None) -> str:
    if first is None:
        return "no cell has run."
    return f"{first.label} comes first and has no verdict, so that nothing is held against it."


def refusal(cell: Cell, baseline: Cell) -> str:
    """Why `cell` may not be called better or worse than `baseline`; empty if it may."""
    trials = (*baseline.pooled, *cell.pooled)
    reasons = []
    machines = {_machine(trial) for trial in trials}
    if None in machines:
        reasons.append("a machine is not recorded")
    elif len(machines) > 1:
        reasons.append("the machines differ")
    if not all(trial.settings for trial in trials):
        return "; ".join([*reasons, "an experiment is not recorded"])
    if _differ(trials, "seed"):
        reasons.append(f"the seeds differ ({_values(trials, 'seed')})")
    keys = dict.fromkeys(key for trial in trials for key in trial.settings if key.startswith(ARRIVALS))
    unlike = [f"{key} {_values(trials, key)}" for key in keys if _differ(trials, key)]
    if unlike:
        reasons.append(f"the arrival plans differ ({'; '.join(unlike)})")
    return "; ".join(reasons)


def _machine(trial: Trial) -> str | None:
    return (
        None
        if None in [trial.environment.get(key) for key in ("platform", "cpu_count")]
        else machine(trial.environment)
    )


def _differ(trials: Sequence[Trial], key: str) -> bool:
    return len({trial.settings.get(key) for trial in trials}) > 1


def _values(trials: Sequence[Trial], key: str) -> str:
    return ", ".join(dict.fromkeys(trial.settings.get(key, "–") for trial in trials))


def _row(cell: Cell, baseline: Cell | None) -> Row:
    against = baseline if baseline is not cell else None
    why = refusal(cell, against) if against is not None and cell.judged else ""
    figures = tuple(_figure(measure, cell, against, comparable=not why) for measure in MEASURES)
    return Row(cell, len(cell.pooled), figures, why)


def spread(measure: Measure, cell: Cell) -> Spread | None:
    """`measure` over the judged repeats of `cell` that were run alike; None if no repeat has it."""
    values = tuple(value for trial in cell.pooled if (value := measure.read(trial)) is not None)
    return Spread(values) if values else None


def _figure(measure: Measure, cell: Cell, baseline: Cell | None, *, comparable: bool) -> Figure:
    own = spread(measure, cell)
    base = spread(measure, baseline) if baseline is not None else None
    if own is None:
        return Figure("–")
    low, high = min(own.values), max(own.values)
    shown = f"{number_text(low)}–{number_text(high)}" if low != high else ""
    if base is None:
        return Figure(number_text(own.median), shown)
    word = _word(measure, own, base) if comparable else ""
    return Figure(number_text(own.median), shown, _delta(measure, own, base), word)


def _delta(measure: Measure, own: Spread, base: Spread) -> str:
    near = "≈ " if len(own.values) > 1 and len(base.values) > 1 and own.overlaps(base) else ""
    if measure.as_count:
        grown = own.median - base.median
        return near + ("±0" if grown == 0 else f"{'+' if grown > 0 else '−'}{number_text(abs(grown))}")
    if base.median == 0:
        return ""
    return f"{near}×{own.median / base.median:.2f}"


def _word(measure: Measure, own: Spread, base: Spread) -> str:
    """“better” or “worse”, if the measure has a better direction and the repeats do not overlap; else empty."""
    if measure.lower_is_better is None or min(len(own.values), len(base.values)) < ENOUGH or own.overlaps(base):
        return ""
    return "better" if (own.median < base.median) == measure.lower_is_better else "worse"
