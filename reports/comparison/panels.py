"""The panels of a comparison: promises and rows, commits, queue. Each cell's is drawn to the same scale."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import numpy as np
from matplotlib.axes import Axes

from reports.data import Missing, RunData
from reports.drawing import metrics, series
from reports.drawing.canvas import Canvas, short
from reports.drawing.metrics import Commits, Progress
from reports.drawing.series import Series
from reports.drawing.style import BLUE, GREEN, INK, PURPLE, RED, SKY
from reports.drawing.timeline import Timeline
from reports.run.figures.queue import SERIES

T = TypeVar("T")
FINE_S = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
STEPS = 300  # at most, of a line
APART = 8  # cells whose peaks differ by this factor are drawn on a log scale


@dataclass(frozen=True)
class Scale:
    """The y axis that all cells share."""

    top: float
    log: bool


@dataclass(frozen=True)
class Kind(Generic[T]):
    """One kind of panel. `read` raises `Missing`; `peak` is the height it needs; `rows` are its data."""

    name: str
    title: str
    unit: str
    columns: tuple[str, ...]
    read: Callable[[RunData, Timeline], T]
    peak: Callable[[T], float]
    draw: Callable[[T, Canvas, Axes], None]
    rows: Callable[[T], list[tuple[object, ...]]]
    caption: Callable[[Mapping[str, T]], str]
    always_log: bool = False

    def scale(self, found: Sequence[T]) -> Scale:
        """A y axis on which all of `found` fit."""
        peaks = [peak for each in found if (peak := self.peak(each)) > 0]
        log = self.always_log or (bool(peaks) and max(peaks) > APART * min(peaks))
        return Scale(max(peaks, default=1.0) * (1.6 if log else 1.12), log)


def read_progress(run: RunData, time: Timeline) -> Progress:
    """Promises and rows, in bins fine enough for a short sale."""
    width_s = next((width for width in FINE_S if time.end_s / width <= STEPS), time.end_s / STEPS)
    return metrics.progress(run, replace(time, bin_s=width_s))


def read_queue(run: RunData, time: Timeline) -> dict[str, Series]:
    """Tokens, ready and unacknowledged messages. Raises `Missing` when none of them was sampled."""
    found = {name: series.gauge(run, time, probe, metric) for name, (probe, metric, _) in SERIES.items()}
    if not any(found.values()):
        raise Missing("samples.parquet holds neither tokens nor queue depths")
    return {name: series for name, series in found.items() if series}


def _height(found: Progress) -> float:
    return max(_peak_units(found), found.stock or 0)


def _peak_units(found: Progress) -> float:
    return float(max(found.promises[-1], found.rows[-1]))


def _draw_progress(found: Progress, canvas: Canvas, axes: Axes) -> None:
    edges, promises, rows = found.edges, np.append(0.0, found.promises), np.append(0.0, found.rows)
    if found.stock is not None and found.above_stock:
        for series in (promises, rows):
            axes.fill_between(
                edges, found.stock, series, where=list(series > found.stock), step="post", color=RED.mark, linewidth=0
            )
    axes.plot(edges, promises, color=GREEN.mark, drawstyle="steps-post", linewidth=2)
    axes.plot(edges, rows, color=BLUE.mark, drawstyle="steps-post", linewidth=2)
    canvas.name(axes, promises[-1] + 0.01, f"promised {found.promised:,}", GREEN)
    canvas.name(axes, rows[-1], f"rows {found.stored:,}", BLUE)
    if found.stock is not None:
        axes.axhline(found.stock, color=INK.mark, linewidth=1)
        canvas.name(axes, found.stock + 0.02, f"stock {found.stock:,}", INK)
    if found.above_stock:
        canvas.name(axes, _peak_units(found) + 0.02, f"+{found.above_stock:,} above", RED)


def _progress_rows(found: Progress) -> list[tuple[object, ...]]:
    """One row for each bin in which anything changed."""
    counts = np.column_stack([found.promises, found.rows]).round().astype(int)
    changed = np.any(np.diff(counts, axis=0, prepend=-1), axis=1)
    return [
        (round(float(s), 4), int(promises), int(rows))
        for s, (promises, rows) in zip(found.edges[1:][changed], counts[changed], strict=True)
    ]


def _progress_caption(found: Mapping[str, Progress]) -> str:
    above = {label: each.above_stock for label, each in found.items() if each.above_stock}
    if not above:
        return f"In {_all(len(found))} neither line crosses the stock."
    worst = max(above, key=lambda label: above[label])
    return f"{_some(len(above), len(found))} cross the stock; furthest {worst}, by {above[worst]:,} (red)."


def _commits_peak(found: Commits) -> float:
    return float(max(found.rows.max(initial=0), max(found.limits, default=0)))


def _draw_commits(found: Commits, canvas: Canvas, axes: Axes) -> None:
    rows = np.append(found.rows, 0.0)
    axes.fill_between(found.edges, 0, rows, step="post", color=SKY.mark, alpha=0.45, linewidth=0)
    if found.rows.any():
        axes.plot(found.edges, rows, color=SKY.mark, drawstyle="steps-post", linewidth=1)
        canvas.name(axes, found.rows.max() * 0.6, "rows", SKY)
    axes.plot(found.edges[1:], found.rows_1s, color=BLUE.mark, linewidth=2)
    if found.fullest_1s:
        axes.plot(found.fullest_s, found.fullest_1s, "o", color=BLUE.mark, markersize=5)
        canvas.name(axes, found.fullest_1s, f"fullest 1 s {found.fullest_1s:,}", BLUE)
    if found.limits:
        since = [found.edges[0], *(at_s for at_s, _ in found.changed), found.edges[-1]]
        allowed = [*found.limits, found.limits[-1]]
        axes.plot(since, allowed, color=RED.mark, linewidth=1.2, linestyle=(0, (5, 2)), drawstyle="steps-post")
        canvas.name(axes, allowed[-1] - 0.01, f"W·L {allowed[-1]:,.0f}/s", RED)
    if not found.rows.any() and found.transactions:  # rows without a time of their own
        canvas.line(axes, found.transactions.time_s, found.transactions.value, PURPLE, linewidth=1)
        canvas.name(axes, 0, "write transactions", PURPLE)


def _commits_rows(found: Commits) -> list[tuple[object, ...]]:
    return [
        (round(float(s), 4), float(rows), None if np.isnan(last) else int(last))
        for s, rows, last in zip(found.edges[1:], found.rows, found.rows_1s, strict=True)
    ]


def _commits_caption(found: Mapping[str, Commits]) -> str:
    limited = [each for each in found.values() if each.configured_per_s is not None]
    fullest = max(found, key=lambda label: found[label].fullest_1s)
    text = f"The fullest second of all held {found[fullest].fullest_1s:,} rows ({fullest})"
    if not limited:
        return f"{text}; no cell has a limiter."
    highest = max(each.fullest_1s for each in limited)
    rates = sorted({each.configured_per_s or 0.0 for each in limited})
    allowed = f"{rates[0]:,.0f}" + (f"–{rates[-1]:,.0f}" if len(rates) > 1 else "")
    cells = "one cell" if len(limited) == 1 else f"{len(limited)} cells"
    return f"{text}; that of the {cells} with a limiter of W·L = {allowed}/s held at most {highest:,}."


def _draw_queue(found: dict[str, Series], canvas: Canvas, axes: Axes) -> None:
    for name, line in found.items():
        hue = SERIES[name][2]
        canvas.line(axes, line.time_s, line.value, hue, linewidth=2, drawstyle="steps-post")
        canvas.name(axes, line.peak, f"{name}, max {short(line.peak)}", hue)


def _queue_peak(found: dict[str, Series]) -> float:
    return max(1.0, *(series.peak for series in found.values()))


def _queue_rows(found: dict[str, Series]) -> list[tuple[object, ...]]:
    return [
        (round(float(s), 4), name, float(value))
        for name, series in found.items()
        for s, value in zip(series.time_s, series.value, strict=True)
        if np.isfinite(value)
    ]


def _queue_caption(found: Mapping[str, dict[str, Series]]) -> str:
    ready = {label: each["queue, ready"].peak for label, each in found.items() if "queue, ready" in each}
    if not any(ready.values()):
        return "No order was seen to wait in a queue."
    deepest = max(ready, key=lambda label: ready[label])
    return f"The deepest queue held {ready[deepest]:,.0f} orders ({deepest})."


def _all(count: int) -> str:
    return "the one cell drawn" if count == 1 else f"all {count} cells drawn"


def _some(count: int, of: int) -> str:
    return f"{count} of {of} cells drawn"


KINDS: tuple[Kind[Any], ...] = (
    Kind("progress", "Promises and rows", "units", ("end_s", "promises", "rows"), read_progress, _height,
         _draw_progress, _progress_rows, _progress_caption),
    Kind("commits", "Commits", "rows/s", ("end_s", "rows_per_s", "rows_in_last_1s"), metrics.commits, _commits_peak,
         _draw_commits, _commits_rows, _commits_caption),
    Kind("queue", "Queue", "units", ("time_s", "metric", "value"), read_queue, _queue_peak,
         _draw_queue, _queue_rows, _queue_caption, always_log=True),
)  # fmt: skip
