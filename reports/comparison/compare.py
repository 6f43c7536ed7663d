"""Writes comparison.html, from run directories and, for a matrix, its matrix.json."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from reports.comparison.cells import Cell, Comparison, Trial, read_matrix, read_runs
from reports.comparison.deltas import ENOUGH, MEASURES, Deltas, deltas
from reports.comparison.frontier import frontier
from reports.comparison.grid import ICONS, finding, grids, look, square, trial_look
from reports.comparison.multiples import Column, multiples
from reports.drawing.drawing import Drawing
from reports.files import write_text
from reports.html import render
from reports.verdict import INCOMPLETE

NAMED = 4  # cells not as expected that the banner names, at most


@dataclass(frozen=True)
class Conclusion:
    """The banner: its colour (a verdict's, or NEUTRAL), its words, and one sentence."""

    state: str
    title: str
    sentence: str


@dataclass(frozen=True)
class Difference:
    """A key of the experiment that is not the same everywhere: each value, and the cells that have it."""

    key: str
    axis: bool
    values: tuple[tuple[str, tuple[str, ...]], ...]


def compare_matrix(matrix_dir: Path) -> Path:
    """Writes the comparison of the matrix in `matrix_dir` there, with its figures, and returns the page's path.

    Raises:
        FileNotFoundError: `matrix_dir` holds no matrix.json. Whatever else is missing, the page names instead.
    """
    page = matrix_dir / "comparison.html"
    comparison = read_matrix(matrix_dir)
    frontier_ = frontier(comparison, matrix_dir)
    columns = _write(comparison, page, frontier_)
    folder = matrix_dir / "figures"
    folder.mkdir(exist_ok=True)
    for column in columns:
        _write_figure(folder, column.name, column.file, column.csv)
    _write_figure(folder, "frontier", *((frontier_.file, frontier_.csv) if frontier_ else ("", "")))
    return page


def _write_figure(folder: Path, name: str, svg: str, csv: str) -> None:
    """Writes a figure as SVG and CSV; empty text removes the file of an earlier page."""
    for kind, content in (("svg", svg), ("csv", csv)):
        path = folder / f"compare-{name}.{kind}"
        if content:
            write_text(path, content)
        else:
            path.unlink(missing_ok=True)


def compare_runs(run_dirs: Sequence[Path], out: Path) -> Path:
    """Writes the comparison of `run_dirs` to the file `out`, and returns it. Repeats of one configuration are one cell."""
    out.parent.mkdir(parents=True, exist_ok=True)
    _write(read_runs(run_dirs), out)
    return out


def _write(comparison: Comparison, page: Path, frontier_: Drawing | None = None) -> list[Column]:
    strips, columns = multiples(comparison.cells)
    different = deltas(comparison.cells)
    text = render(
        "comparison.html",
        name=comparison.name,
        conclusion=conclude(comparison),
        comparison=comparison,
        grids=grids(comparison),
        looks={look(cell) for cell in comparison.cells},
        strips=[(strip, square(strip.cell), links(strip.cell, page.parent)) for strip in strips],
        columns=columns,
        frontier=frontier_,
        deltas=different,
        measures=MEASURES,
        enough=ENOUGH,
        withheld=withheld(different),
        differences=differences(comparison),
        same=same(comparison),
    )
    write_text(page, text)
    return columns


def conclude(comparison: Comparison) -> Conclusion:
    """The banner: how many cells there are, and how many came out as expected."""
    looks = Counter(look(cell) for cell in comparison.cells)
    if not comparison.planned:
        return Conclusion("NEUTRAL", "COMPARISON", _runs_sentence(comparison))
    total, met = len(comparison.cells), looks["good"] + looks["caught"]
    missed, unfinished = looks["alarm"] + looks["doubt"], looks["open"]
    parts = [f"{met} as expected" + (f", {looks['caught']} of them caught doing wrong" if looks["caught"] else "")]
    for count, words in ((missed, "not as expected"), (unfinished, "incomplete"), (looks["skipped"], "skipped"), (looks["notrun"], "not run")):  # fmt: skip
        parts += [f"{count} {words}"] if count else []
    sentence = f"{_count(total, 'cell')}: {'; '.join(parts)}."
    if missed:
        found = "; ".join(
            _missed(cell) for cell in [cell for cell in comparison.cells if look(cell) in ("alarm", "doubt")][:NAMED]
        )
        found += f"; and {missed - NAMED} more" if missed > NAMED else ""
        return Conclusion("INVALID", "NOT AS EXPECTED", f"{sentence} {found}.")
    if unfinished or looks["notrun"] or not met:
        return Conclusion(INCOMPLETE, "INCOMPLETE", sentence)
    return Conclusion("VALID", "AS EXPECTED", sentence)


def _missed(cell: Cell) -> str:
    shown = square(cell)
    return f"{cell.label}: {', '.join(f'{line.icon} {line.text}' for line in shown.lines)}"


def _runs_sentence(comparison: Comparison) -> str:
    trials = [trial for cell in comparison.cells for trial in cell.trials]
    states = Counter(trial.state for trial in trials)
    found = ", ".join(
        f"{states[state]} {state.lower()}" for state in ("VALID", "INVALID", "UNKNOWN", INCOMPLETE) if states[state]
    )
    keys = f" They differ in {', '.join(comparison.axes)}." if comparison.axes else ""
    return f"{_count(len(trials), 'run')} of {_count(len(comparison.cells), 'configuration')}: {found or 'none'}.{keys}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


@dataclass(frozen=True)
class Link:
    """A repeat, and the URL of its report relative to the page; empty if there is none."""

    repeat: int
    look: str
    icon: str
    finding: str
    href: str


def links(cell: Cell, base: Path) -> list[Link]:
    """The reports of the repeats of `cell`."""
    found = []
    for trial in cell.trials:
        report = trial.path / "report.html" if trial.path is not None else None
        href = quote(Path(os.path.relpath(report, base)).as_posix()) if report is not None and report.is_file() else ""
        found.append(
            Link(
                trial.repeat,
                trial_look(trial, cell.expected),
                "!" if trial.error else ICONS[trial.state],
                _said(trial, cell),
                href,
            )
        )
    return found


def _said(trial: Trial, cell: Cell) -> str:
    if trial.state == INCOMPLETE:
        return "failed to run" if trial.error else "incomplete"
    count, word = finding(trial.verdict, (cell.expected or "").partition(":")[2])
    return word if count is None else f"{count:,.0f} {word}"


def withheld(found: Deltas) -> list[tuple[str, list[str]]]:
    """Reasons not to call cells better or worse, each with the names of those cells."""
    reasons: dict[str, list[str]] = {}
    for row in found.rows:
        if row.refusal:
            reasons.setdefault(row.refusal, []).append(row.cell.label)
    return list(reasons.items())


def differences(comparison: Comparison) -> list[Difference]:
    """Keys of the experiment that differ between cells, those that are not an axis first: they differ unasked."""
    found = []
    for key in _keys(comparison):
        values: dict[str, dict[str, None]] = {}
        for cell in comparison.cells:
            for settings in _recorded(cell):
                values.setdefault(settings.get(key, "–"), {})[cell.label] = None
        if len(values) > 1:
            pairs = tuple((value, tuple(labels)) for value, labels in values.items())
            found.append(Difference(key, key in comparison.axes, pairs))
    return sorted(found, key=lambda difference: difference.axis)


def same(comparison: Comparison) -> list[tuple[str, str]]:
    """Keys of the experiment with the same value in every cell, and that value."""
    unlike = {difference.key for difference in differences(comparison)}
    first: Mapping[str, str] = next((each for cell in comparison.cells for each in _recorded(cell)), {})
    return [(key, value) for key, value in first.items() if key not in unlike]


def _keys(comparison: Comparison) -> list[str]:
    return list(dict.fromkeys(key for cell in comparison.cells for each in _recorded(cell) for key in each))


def _recorded(cell: Cell) -> list[Mapping[str, str]]:
    return [trial.settings for trial in cell.trials if trial.settings]
