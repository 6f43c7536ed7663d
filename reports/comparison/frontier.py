"""The frontier: the drain time against the rows of the busiest second, one point for each cell, with its prediction beside it."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter

from reports.comparison.cells import Cell, Comparison
from reports.comparison.deltas import MEASURES, Measure, spread
from reports.drawing.canvas import Canvas, short
from reports.drawing.chart import Chart, Table
from reports.drawing.drawing import Drawing, draw_chart
from reports.drawing.style import BLUE, MUTED, SMALL
from reports.verdict import number

# Keys of an experiment that decide how fast rows are written: a matrix over one of them has a frontier.
SPEEDS = {"limiter.rate_per_s": "{}/s", "workers.count": "× {}", "limiter.kind": "{}"}
DRAIN, PEAK = (next(each for each in MEASURES if each.name == name) for name in ("drain", "busiest second"))
BETWEEN = 14.0  # px between two names
BESIDE = 40.0  # px to the side of a point, within which a name keeps clear of others
TICKS = (1, 2, 3, 5)


@dataclass(frozen=True)
class Point:
    """One cell: rows in its busiest second and seconds of its drain, each a median of its repeats; and the predictions of both."""

    name: str
    peak: float
    drain_s: float
    predicted_peak: float | None = None
    predicted_drain_s: float | None = None
    calibrates: bool = False

    @property
    def predicted(self) -> tuple[float, float] | None:
        """The predicted point; None if nothing was predicted."""
        if self.predicted_peak is None or self.predicted_drain_s is None:
            return None
        return self.predicted_peak, self.predicted_drain_s


def frontier(comparison: Comparison, directory: Path) -> Drawing | None:
    """The figure; None if no axis is one of `SPEEDS`, or fewer than two cells were measured."""
    if not SPEEDS.keys() & comparison.axes.keys():
        return None
    points = read_points(comparison, directory)
    return draw_chart("frontier", lambda: _chart(points)) if len(points) > 1 else None


def read_points(comparison: Comparison, directory: Path) -> list[Point]:
    """The cells that were measured, with what ``predictions.json`` in `directory` says of them, if it is there."""
    predictions, calibrated_on = _predictions(directory / "predictions.json")
    points = []
    for cell in comparison.cells:
        peak, drain_s = _median(PEAK, cell), _median(DRAIN, cell)
        if peak is None or drain_s is None:
            continue
        runs = [str(trial.path.relative_to(directory)) for trial in cell.trials if trial.path is not None]
        said: Mapping[str, Any] = next((predictions[run] for run in runs if run in predictions), {})
        point = Point(_name(cell), peak, drain_s, _positive(said.get("max_1s")), _positive(said.get("drain_s")))
        points.append(replace(point, calibrates=calibrated_on in runs))
    return points


def _chart(points: Sequence[Point]) -> Chart:
    caption = _caption(points)
    rows = [(p.name, p.peak, p.drain_s, p.predicted_peak, p.predicted_drain_s) for p in points]
    names = ("cell", "busiest_second_rows", "drain_s", "predicted_busiest_second_rows", "predicted_drain_s")
    return Chart(
        "The frontier",
        caption,
        f"Drain against the busiest second. {caption}",
        Table(names, rows),
        partial(_draw, points),
    )


def _caption(points: Sequence[Point]) -> str:
    text = (
        "Each point is a cell: to the right the database feels more in its busiest second (on the rows' own clock), and higher up "
        "the last order waits longer. Of two cells, one that lies lower and further left is better at both; on the frontier, none is."
    )
    others = [p for p in points if p.predicted is not None and not p.calibrates]
    if not others:
        return text
    far = max(_off(p.predicted_drain_s, p.drain_s) for p in others), max(_off(p.predicted_peak, p.peak) for p in others)
    first = next((f", calibrated on {p.name} alone," for p in points if p.calibrates), "")
    return f"{text} Open: what the model{first} predicted of it; at most {far[0]:.0%} off in the drain and {far[1]:.0%} in the busiest second."


def _off(predicted: float | None, seen: float) -> float:
    return abs((predicted or seen) / seen - 1)


def _draw(points: Sequence[Point], canvas: Canvas) -> None:
    (axes,) = canvas.plain(330 if canvas.wide else 300, top=26)
    canvas.unit(axes, "drain, s, log scale")
    canvas.x_unit(axes, "rows in the busiest second, log scale" if canvas.wide else "rows in the busiest second, log")
    for axis, values in (("x", [p.peak for p in points] + [p.predicted_peak for p in points]),
                         ("y", [p.drain_s for p in points] + [p.predicted_drain_s for p in points])):  # fmt: skip
        _logarithmic(axes, axis, [value for value in values if value is not None])
    for point in points:
        if point.predicted is not None:
            x, y = zip((point.peak, point.drain_s), point.predicted, strict=True)
            axes.plot(x, y, color=MUTED.mark, linewidth=0.8, zorder=2)
            axes.plot(*point.predicted, "o", markersize=9, markerfacecolor="none", markeredgecolor=MUTED.mark, zorder=2)
        axes.plot(point.peak, point.drain_s, "o", markersize=5, color=BLUE.mark, zorder=3)
    _write_names(points, canvas, axes)
    top = max(p.drain_s for p in points)
    canvas.name(axes, top, "measured", BLUE)
    if any(p.predicted is not None for p in points):
        canvas.name(axes, top * 0.8, "predicted: open", MUTED)


def _logarithmic(axes: Axes, axis: str, values: Sequence[float]) -> None:
    low, high = min(values) / 1.35, max(values) * 1.6
    ticks = [m * 10.0**power for power in range(-3, 10) for m in TICKS if low <= m * 10.0**power <= high]
    which = axes.xaxis if axis == "x" else axes.yaxis
    (axes.set_xscale if axis == "x" else axes.set_yscale)("log")
    (axes.set_xlim if axis == "x" else axes.set_ylim)(low, high)
    which.set_major_locator(FixedLocator(ticks))
    which.set_minor_locator(FixedLocator([]))
    which.set_major_formatter(FuncFormatter(lambda value, _: short(value)))


def _write_names(points: Sequence[Point], canvas: Canvas, axes: Axes) -> None:
    """Writes each name beside its point, on the side towards the middle; names that would touch are moved apart, with a line to their point."""
    marks = [_place(axes, each) for p in points for each in ((p.peak, p.drain_s), p.predicted) if each is not None]
    own = sorted(((*_place(axes, (p.peak, p.drain_s)), p) for p in points), key=lambda each: each[1])
    middle = (axes.bbox.x0 + axes.bbox.x1) / 2
    for right in (False, True):
        sign, edge = (1 if right else -1), -math.inf
        for x, y, point in (each for each in own if (each[0] < middle) == right):
            at = edge = max(y, edge + BETWEEN)
            near = [mark_x for mark_x, mark_y in marks if abs(mark_x - x) < BESIDE and abs(mark_y - at) < BETWEEN]
            shift = (sign * (max(sign * (mark_x - x) for mark_x in (*near, x)) + 11), at - y)
            canvas.note(
                axes, point.peak, point.drain_s, point.name, BLUE, xytext=shift, textcoords="offset points",
                ha="left" if right else "right", va="center", fontsize=SMALL,
            )  # fmt: skip
            if at - y > BETWEEN / 2:
                ends = axes.transData.inverted().transform([(x, y), (x + shift[0] * 0.8, at)])
                axes.plot(*np.transpose(ends), color=MUTED.mark, linewidth=0.5, zorder=1)


def _place(axes: Axes, point: tuple[float, float]) -> tuple[float, float]:
    """Where a point of the data is, in px."""
    x, y = axes.transData.transform(point)
    return float(x), float(y)


def _name(cell: Cell) -> str:
    """``100/s × 2``; axes that are not in `SPEEDS` by their values."""
    forms = SPEEDS if "limiter.rate_per_s" in cell.axes else SPEEDS | {"workers.count": "workers: {}"}
    known = [form.format(cell.axes[key]) for key, form in forms.items() if key in cell.axes]
    return " ".join([*known, *(value for key, value in cell.axes.items() if key not in SPEEDS)])


def _median(measure: Measure, cell: Cell) -> float | None:
    found = spread(measure, cell)
    return found.median if found is not None and found.median > 0 else None


def _positive(value: object) -> float | None:
    found = number(value)
    return found if found is not None and 0 < found < math.inf else None


def _predictions(path: Path) -> tuple[dict[str, Mapping[str, Any]], str]:
    """Run directory → prediction, and the run that the model was calibrated on. Both are empty if the file cannot be read."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        found = {str(each["run_dir"]): each for each in data["cells"]}
        return found, str(data["calibrated_on"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}, ""
