"""The matrix as tables: in each square the verdict, the count that matters most, and whether it was expected."""

import itertools
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from reports.comparison.cells import Cell, Comparison, Trial
from reports.verdict import INCOMPLETE, Verdict, number_text

ICONS = {"VALID": "✓", "INVALID": "✗", "UNKNOWN": "?", INCOMPLETE: "…"}
# The most severe first.
SEVERITY = ("INVALID", "UNKNOWN", INCOMPLETE, "VALID")
# Check → the count in verdict.json that it is about, and the word for it.
COUNTS = {
    "oversell": ("oversold", "oversold"),
    "double_promise": ("double_promised", "promised twice"),
    "lost": ("lost", "lost"),
    "duplicate": ("duplicated", "duplicated"),
    "phantom": ("phantom", "phantom"),
    "leaked": ("leaked", "leaked"),
}
WORDS = {
    "per_buyer": "over the cap",
    "drain": "still queued",
    "wrong_owner": "with another buyer",
    "sold_out_early": "late wins",
    "told_untrue": "told an untruth",
    "lockout": "locked out",
}
LEADING = re.compile(r"([\d,]+)\b")


@dataclass(frozen=True)
class Line:
    """Repeats with the same verdict in one line: ``✗ 41–87 oversold 2/3``."""

    icon: str
    text: str
    share: str


@dataclass(frozen=True)
class Square:
    """One cell of the matrix as it is shown. `look` is a CSS class."""

    cell: Cell | None
    look: str
    lines: tuple[Line, ...]
    note: str
    also: str = ""
    scope: str = ""


@dataclass(frozen=True)
class Grid:
    """One table: `title` says which values of the other axes it is for."""

    title: str
    corner: str
    across: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Square, ...]], ...]


def grids(comparison: Comparison) -> list[Grid]:
    """A table for each combination of the axes beyond two; a plain list where the cells fill no table."""
    axes = comparison.axes
    tabular = [cell for cell in comparison.cells if cell.axes.keys() == axes.keys()]
    combinations = math.prod(map(len, axes.values())) if axes else 0
    if not axes or (not comparison.planned and (len(axes) > 3 or combinations > 2 * len(tabular))):
        return [_list(comparison.cells)]
    found = list(_tables(comparison, tabular))
    strays = [cell for cell in comparison.cells if cell not in tabular or not _within(cell, comparison)]
    return found + ([_list(strays)] if strays else [])


def square(cell: Cell | None) -> Square:
    """`cell` in a few words."""
    if cell is None or not cell.trials:
        if cell is not None and cell.skipped:
            return Square(cell, "skipped", (Line("–", "skipped", ""),), cell.skipped)
        return Square(cell, "notrun", (Line("○", "not run", ""),), "")
    lines = [_line(cell, [trial for trial in cell.trials if trial.state == state]) for state in SEVERITY
             if any(trial.state == state for trial in cell.trials)]  # fmt: skip
    if len(cell.trials) < cell.repeats:
        lines.append(Line("○", "not run", f"{cell.repeats - len(cell.trials)}/{cell.repeats}"))
    return Square(cell, look(cell), tuple(lines), _note(cell), _also(cell), _scope(cell))


def look(cell: Cell) -> str:
    """`skipped`, `notrun`, `good`, `caught` (invalid as expected), `alarm`, `doubt` or `open` (nothing to say yet)."""
    if not cell.trials:
        return "skipped" if cell.skipped else "notrun"
    looks = {trial_look(trial, cell.expected) for trial in cell.trials}
    if len(cell.trials) < cell.repeats:
        looks.add("open")
    return next(each for each in ("alarm", "doubt", "open", "caught", "good") if each in looks)


def trial_look(trial: Trial, expected: str | None) -> str:
    """How one run is shown, given what was expected of it."""
    if expected is None:
        return LOOKS[trial.state]
    if trial.met is None:
        return "open"
    if not trial.met:
        return "doubt" if trial.state == "UNKNOWN" else "alarm"
    return "good" if trial.state == "VALID" else "caught"


LOOKS = {"INVALID": "alarm", "UNKNOWN": "doubt", INCOMPLETE: "open", "VALID": "good"}


def finding(verdict: Verdict, wanted: str = "") -> tuple[float | None, str]:
    """The number that says most about a verdict, and what it counts. `wanted`: the check that was to fail."""
    counts = verdict.counts
    if verdict.state == "VALID":
        return counts.get("sold"), "sold" if "sold" in counts else "valid"
    failed = sorted((check for check in verdict.checks if check.verdict == verdict.state),
                    key=lambda check: check.name != wanted)  # fmt: skip
    if not failed:
        return None, verdict.state.lower()
    first = failed[0]
    word = first.name.replace("_", " ")
    if verdict.state == "UNKNOWN":
        return None, f"{word} unknown"
    if first.name in COUNTS and counts.get(COUNTS[first.name][0]):
        return counts[COUNTS[first.name][0]], COUNTS[first.name][1]
    if first.name == "leaked" and counts.get("misplaced"):
        return counts["misplaced"], "in two places"
    if first.name == "undersell" and counts.get("stock", 0) > counts.get("sold", math.inf):
        return counts["stock"] - counts["sold"], "unsold"
    leading = LEADING.match(first.observed)
    if first.name in WORDS and leading:
        return float(leading[1].replace(",", "")), WORDS[first.name]
    return None, word


def expectation(expected: str | None) -> str:
    """``invalid:oversell`` → ``✗ oversell``."""
    verdict, _, check = (expected or "").partition(":")
    return f"{ICONS.get(verdict.upper(), '')} {check.replace('_', ' ') or verdict}".strip()


def span(low: float, high: float) -> str:
    """Least and most; one number where they are the same."""
    return number_text(low) if low == high else f"{number_text(low)}–{number_text(high)}"


def _line(cell: Cell, trials: Sequence[Trial]) -> Line:
    share = f"{len(trials)}/{cell.repeats}" if cell.repeats > 1 else ""
    first = trials[0]
    if first.state == INCOMPLETE:
        failed = all(trial.error for trial in trials)
        return Line("!" if failed else ICONS[INCOMPLETE], "failed to run" if failed else "incomplete", share)
    found = [finding(trial.verdict, _wanted(cell)) for trial in trials]
    words = list(dict.fromkeys(word for _, word in found))
    numbers = [value for value, word in found if word == words[0] and value is not None]
    shown = f"{span(min(numbers), max(numbers))} {words[0]}" if numbers else words[0]
    return Line(ICONS[first.state], ", ".join([shown, *words[1:]]), share)


def _note(cell: Cell) -> str:
    """Whether the verdicts were expected; for a run without a verdict, why there is none."""
    kind, said = look(cell), next((trial for trial in cell.trials if trial.state == INCOMPLETE), None)
    if said is not None:
        return said.error or said.verdict.sentence
    if cell.expected is None or kind == "good":
        return "" if cell.expected is None else "as expected"
    if kind == "caught":
        return "caught, as expected" if any(trial.state == "INVALID" for trial in cell.trials) else "as expected"
    met = sum(trial.met is True for trial in cell.trials)
    if kind == "open":
        return f"{met} of {len(cell.trials)} as expected so far" if met else "judged anew since the matrix ran"
    share = f"{met} of {len(cell.trials)} as expected; " if met else ""
    return f"{share}expected {expectation(cell.expected)}"


def _also(cell: Cell) -> str:
    """Further checks that failed beside the counted one, and whether a threshold was breached."""
    names: dict[str, None] = {}
    for trial in cell.trials:
        failed = [check.name for check in trial.verdict.checks if check.verdict == "INVALID"]
        failed.sort(key=lambda name: name != _wanted(cell))
        names |= dict.fromkeys(name.replace("_", " ") for name in failed[1:])
        if any(threshold.passed is False for threshold in trial.verdict.thresholds):
            names["threshold breached"] = None
    return ", ".join(names)


def _scope(cell: Cell) -> str:
    """How many claims were judged, where it was not all of them in every trial."""
    verdicts = [trial.verdict for trial in cell.trials if trial.verdict.lacks]
    return " · ".join(dict.fromkeys(f"{verdict.judged} of {verdict.claims} claims judged" for verdict in verdicts))


def _wanted(cell: Cell) -> str:
    return (cell.expected or "").partition(":")[2]


def _tables(comparison: Comparison, cells: Sequence[Cell]) -> Iterator[Grid]:
    down, across, *rest = _ordered(comparison)
    values = {**comparison.axes, "": ("",)}
    placed = {frozenset(cell.axes.items()): cell for cell in cells}
    for others in itertools.product(*(values[key] for key in rest)):
        chosen = dict(zip(rest, others, strict=True))

        def at(row: str, column: str, chosen: dict[str, str] = chosen) -> Square:
            point = {**chosen, down: row, across: column}
            return square(placed.get(frozenset((key, point[key]) for key in comparison.axes)))

        rows = tuple((row, tuple(at(row, column) for column in values[across])) for row in values[down])
        title = " · ".join(f"{key} {value}" for key, value in chosen.items())
        yield Grid(title, down, across, values[across], rows)


def _ordered(comparison: Comparison) -> list[str]:
    """The axes: first that of the rows, then that of the columns, then the rest. Of the first two, the longer is that of the rows."""
    keys = [*comparison.axes, ""][: max(2, len(comparison.axes))]
    first, second, *rest = keys
    if second and len(comparison.axes[second]) > len(comparison.axes[first]):
        first, second = second, first
    return [first, second, *rest]


def _within(cell: Cell, comparison: Comparison) -> bool:
    return all(cell.axes.get(key) in values for key, values in comparison.axes.items())


def _list(cells: Sequence[Cell]) -> Grid:
    return Grid("", "configuration", "", ("",), tuple((cell.label, (square(cell),)) for cell in cells))
