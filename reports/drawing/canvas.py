"""A canvas for charts that share one x axis: panels, the marks of the run, names beside lines.

Every figure is drawn twice, wide and narrow. In the wide format, names stand in the right margin beside what they
name; the narrow one has no room for them, and the page sets them above the figure in the same colours.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from reports.data import Column
from reports.drawing.style import GRID, MUTED, ORANGE, SIZE, SMALL, Hue
from reports.drawing.timeline import Timeline
from reports.verdict import number_text

TOP, GAP, BOTTOM = 44.0, 30.0, 40.0  # px
LINE = 16.0  # px between two names in the margin


@dataclass(frozen=True)
class Format:
    """A size to draw for, in px."""

    name: str
    width: float
    left: float
    right: float
    ticks: int


WIDE = Format("wide", 960, 58, 176, 10)
NARROW = Format("narrow", 368, 46, 10, 5)


@dataclass
class Canvas:
    """One figure in one format."""

    time: Timeline | None
    format: Format
    figure: Figure = field(init=False)
    indent: float = 0.0  # px between the plot and the names at its right
    names: list[tuple[Axes, float, str, Hue]] = field(default_factory=list)

    @property
    def wide(self) -> bool:
        """Whether there is a margin to write in."""
        return self.format is WIDE

    def panels(self, *heights: float) -> list[Axes]:
        """Panels of these heights in px, from the top, with time as their common x axis."""
        axes = self.plain(*heights, top=TOP)
        for place, each in enumerate(axes):
            self._x_axis(each, last=place == len(axes) - 1)
        self._marks(axes)
        return axes

    def plain(self, *heights: float, top: float, bottom: float = BOTTOM) -> list[Axes]:
        """Panels without a time axis."""
        size = self.format
        total = top + sum(heights) + GAP * (len(heights) - 1) + bottom
        self.figure = Figure(figsize=(size.width / 72, total / 72), dpi=72, facecolor="none")
        FigureCanvasSVG(self.figure)
        axes, y = [], total - top
        for height in heights:
            y -= height
            box = (
                size.left / size.width,
                y / total,
                (size.width - size.left - size.right) / size.width,
                height / total,
            )
            axes.append(self.figure.add_axes(box, facecolor="none"))
            y -= GAP
        for each in axes:
            _quiet(each)
        return axes

    def unit(self, axes: Axes, text: str) -> None:
        """What the y axis counts, written above it where it is read first."""
        axes.annotate(
            text, (0, 1), (4 - self.format.left, 7), "axes fraction", textcoords="offset points",
            fontsize=SMALL, color=MUTED.text,
        )  # fmt: skip

    def x_unit(self, axes: Axes, text: str) -> None:
        """What the x axis counts, where it is not time."""
        style: dict[str, Any] = {"fontsize": SMALL, "color": MUTED.text, "textcoords": "offset points"}
        axes.annotate(text, (1, 0), (0, -32), "axes fraction", ha="right", **style)

    def name(self, axes: Axes, y: float, text: str, hue: Hue) -> None:
        """Names what is at height `y` (in data) at the right edge of `axes`."""
        self.names.append((axes, y, text, hue))

    def note(self, axes: Axes, x: float, y: float, text: str, hue: Hue, **kwargs: Any) -> None:
        """A remark at a point of the data, kept inside the panel."""
        axes.annotate(text, (x, y), **{"fontsize": SMALL, "color": hue.text, "annotation_clip": False, **kwargs})

    def log_y(self, axes: Axes, low: float, high: float) -> None:
        """A logarithmic y axis from `low` to `high`. If `low` is 0, the axis is linear from 0 to 1."""
        if low > 0:
            axes.set_yscale("log")
        else:
            axes.set_yscale("symlog", linthresh=1, linscale=0.4)
        powers = [10.0**power for power in range(-3 if low > 0 else 0, 10) if low <= 10.0**power <= high]
        if low > 0 and len(powers) < 3:
            powers = sorted(m * 10.0**p for p in range(-3, 10) for m in (1, 2, 5) if low <= m * 10.0**p <= high)
        axes.yaxis.set_major_locator(FixedLocator([*([] if low > 0 else [0.0]), *powers]))
        axes.yaxis.set_minor_locator(FixedLocator([]))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: short(y)))
        axes.set_ylim(low, high)

    def line(self, axes: Axes, x: Column, y: Column, hue: Hue, **kwargs: Any) -> None:
        """A line; NaN in `y` is a gap."""
        axes.plot(x, y, color=hue.mark, **kwargs)

    def svg(self) -> str:
        """The finished drawing."""
        if self.wide:
            for axes in self.figure.axes:
                self._write_names(axes)
        out = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        self.figure.savefig(out, format="svg", facecolor="none", dpi=144, metadata=nothing)
        return out.getvalue()

    def _x_axis(self, axes: Axes, last: bool) -> None:
        time = self._time()
        if time.herd_s is not None:
            herd_s, zoom = time.herd_s, time.zoom
            axes.set_xscale(
                "function",
                functions=(lambda x: _magnify(x, herd_s, zoom), lambda x: _shrink(x, herd_s, zoom)),
            )
            axes.axvspan(time.start_s, herd_s, color=GRID.mark, alpha=0.4, linewidth=0, zorder=0)
        axes.set_xlim(time.start_s, time.end_s)
        axes.xaxis.set_major_locator(FixedLocator(self._ticks(time)))
        axes.xaxis.set_minor_locator(FixedLocator([]))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: number_text(round(x, 6))))
        axes.tick_params(labelbottom=last)
        if last:
            self._x_labels(axes, time)

    def _x_labels(self, axes: Axes, time: Timeline) -> None:
        text = "seconds from T0" if self.wide or time.herd_s is None else "s from T0"
        style: dict[str, Any] = {"fontsize": SMALL, "color": MUTED.text, "textcoords": "offset points"}
        axes.annotate(text, (1, 0), (0, -32), "axes fraction", ha="right", **style)
        if time.herd_s is not None:
            axes.annotate(f"shaded: magnified {time.zoom:.0f}×", (0, 0), (0, -32), "axes fraction", **style)

    def _ticks(self, time: Timeline) -> list[float]:
        if time.herd_s is None:
            return _between(time.start_s, time.end_s, self.format.ticks)
        near = _between(time.start_s, time.herd_s * 0.98, self.format.ticks * 0.4)
        gap = (time.end_s - time.herd_s) * (0.06 if self.wide else 0.12)
        return near + [x for x in _between(0, time.end_s, self.format.ticks * 0.6) if x >= time.herd_s + gap]

    def _marks(self, axes: list[Axes]) -> None:
        time = self._time()
        for each in axes:
            for fault in time.faults:
                each.axvspan(fault.start_s, fault.end_s, color=ORANGE.mark, alpha=0.18, linewidth=0, zorder=0.5)
            each.axvline(0, color=MUTED.mark, linewidth=0.8, zorder=1)
            if time.drained_s is not None:
                each.axvline(time.drained_s, color=MUTED.mark, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
        for fault in time.faults:
            middle = (max(fault.start_s, time.start_s) + min(fault.end_s, time.end_s)) / 2
            self.note(
                axes[0],
                middle,
                0.97,
                fault.name,
                ORANGE,
                xycoords=axes[0].get_xaxis_transform(),
                ha="center",
                va="top",
            )
        self._strip(axes[0], time)
        if time.drained_s is not None:
            x = axes[0].transData.transform((time.drained_s, 1.0))[0]
            place = (
                min(x, axes[0].bbox.x1 - 44) / self.figure.bbox.width,
                (axes[0].bbox.y1 + 7) / self.figure.bbox.height,
            )
            self.figure.text(*place, f"drained {time.drained_s:,.1f} s", ha="center", fontsize=SMALL, color=MUTED.text)

    def _strip(self, axes: Axes, time: Timeline) -> None:
        """The phases as a ruler above the top panel, each named where its name fits."""
        width, height = self.figure.bbox.width, self.figure.bbox.height
        y = axes.bbox.y1 + 24
        for phase in time.phases:
            ends = [(min(max(at, time.start_s), time.end_s), 1.0) for at in (phase.start_s, phase.end_s)]
            x0, x1 = axes.transData.transform(ends)[:, 0]
            if x1 - x0 < 3:
                continue
            self.figure.add_artist(
                Line2D([(x0 + 1) / width, (x1 - 1) / width], [y / height] * 2, color=MUTED.mark, lw=0.8)
            )
            if x1 - x0 > 7 * len(phase.name):
                self.figure.text(
                    (x0 + x1) / 2 / width,
                    (y + 4) / height,
                    phase.name,
                    ha="center",
                    fontsize=SMALL,
                    color=MUTED.text,
                )

    def _write_names(self, axes: Axes) -> None:
        """Names at their heights, moved apart where they would touch, in the order of their heights."""
        found = [
            (float(axes.transData.transform((0.0, y))[1]), text, hue) for at, y, text, hue in self.names if at is axes
        ]
        bottom, top = axes.bbox.y0, axes.bbox.y1
        found = [(min(max(y, bottom), top), text, hue) for y, text, hue in found if np.isfinite(y)]
        found.sort(key=lambda each: each[0])
        heights = _apart([(y, LINE * (1 + text.count("\n"))) for y, text, _ in found], bottom - 6)
        for y, (_, text, hue) in zip(heights, found, strict=True):
            place = ((axes.bbox.x1 + 9 + self.indent) / self.figure.bbox.width, y / self.figure.bbox.height)
            self.figure.text(*place, text, color=hue.text, fontsize=SIZE, va="center", linespacing=1.25)

    def _time(self) -> Timeline:
        if self.time is None:
            raise ValueError("panels() needs a time axis; use plain() for a figure without one")
        return self.time


def _quiet(axes: Axes) -> None:
    axes.grid(axis="y", color=GRID.mark)
    axes.spines["left"].set_visible(False)
    axes.spines["bottom"].set_color(MUTED.mark)
    axes.tick_params(colors=MUTED.text, which="both")
    axes.tick_params(which="minor", length=0)
    axes.tick_params(axis="x", color=MUTED.mark)
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: short(y)))


def short(value: float) -> str:
    """A tick's number: 12,500 and 1.2 M."""
    return f"{number_text(value / 1e6)} M" if abs(value) >= 1e6 else number_text(round(value, 9))


def _between(low: float, high: float, count: float) -> list[float]:
    ticks = MaxNLocator(max(1, int(count)), steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    return [float(tick) for tick in ticks if low <= tick <= high]


def _apart(wanted: Sequence[tuple[float, float]], floor: float) -> list[float]:
    """Centres for `wanted`, pairs of centre and height in ascending order, moved up from `floor` on so that none overlap."""
    placed: list[float] = []
    edge = floor
    for y, height in wanted:
        centre = max(y, edge + height / 2)
        placed.append(centre)
        edge = centre + height / 2
    return placed


def _magnify(x: Column, herd_s: float, zoom: float) -> Column:
    x = np.asarray(x, dtype=np.float64)
    return np.where(x < herd_s, x * zoom, herd_s * zoom + x - herd_s)


def _shrink(y: Column, herd_s: float, zoom: float) -> Column:
    y = np.asarray(y, dtype=np.float64)
    return np.where(y < herd_s * zoom, y / zoom, herd_s + y - herd_s * zoom)
