"""Small multiples: three panels for each cell, on axes that all cells share."""

import csv
import io
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from reports.comparison.cells import Cell, Trial
from reports.comparison.panels import KINDS, STEPS, Kind, Scale
from reports.data import Missing, RunData, open_run
from reports.drawing.canvas import WIDE, Canvas, Format
from reports.drawing.style import INK, MUTED, SMALL, styled
from reports.drawing.svg import inline, standalone
from reports.drawing.timeline import MAGNIFY_FROM, WIDTHS_S, Timeline, timeline
from reports.verdict import plain

PANEL = Format("panel", 300, 42, 8, 5)
HEIGHT = 104.0  # px, of a panel


@dataclass(frozen=True)
class Panel:
    """One chart of one cell. `missing` says why there is none."""

    title: str
    svg: str = ""
    key: tuple[tuple[str, str], ...] = ()  # text and CSS variable
    missing: str | None = None


@dataclass(frozen=True)
class Strip:
    """A cell's row of panels, drawn from its first repeat that can be read."""

    cell: Cell
    trial: Trial
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Column:
    """One kind of panel over all cells: its caption, its data, and a file with all of its panels."""

    name: str
    title: str
    caption: str
    csv: str
    file: str

    @property
    def csv_uri(self) -> str:
        """The CSV as a link that works offline."""
        return "data:text/csv;base64," + b64encode(self.csv.encode()).decode()


@dataclass
class _Reading:
    """What was read of one cell. `found` and `missing` are by kind of panel."""

    cell: Cell
    trial: Trial
    time: Timeline | None = None
    found: dict[str, Any] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)


def multiples(cells: Sequence[Cell]) -> tuple[list[Strip], list[Column]]:
    """A strip of panels for each cell that began to run, and a column for each kind of panel."""
    readings = [_Reading(cell, _drawn(cell)) for cell in cells if cell.trials]
    for reading in readings:
        reading.time = _time(reading)
    common = _common([reading.time for reading in readings if reading.time])
    for reading in readings:
        _read(reading, common)
    scales = {kind.name: kind.scale([r.found[kind.name] for r in readings if kind.name in r.found]) for kind in KINDS}
    with styled():
        strips = [Strip(r.cell, r.trial, tuple(_panel(r, kind, scales[kind.name]) for kind in KINDS)) for r in readings]
        columns = [_column(kind, readings, scales[kind.name]) for kind in KINDS]
    return strips, columns


def _drawn(cell: Cell) -> Trial:
    return next(iter((*cell.judged, *(trial for trial in cell.trials if trial.path))), cell.trials[0])


def _time(reading: _Reading) -> Timeline | None:
    """The run's own time axis; None if there is none, and every panel is then missing."""
    why = reading.trial.error or reading.trial.verdict.sentence
    try:
        if reading.trial.path is not None:
            with open_run(reading.trial.path) as run:
                return timeline(run)
    except Missing as missing:
        why = plain(missing)
    except Exception as error:  # a comparison that lacks one cell is better than none
        why = f"{type(error).__name__}: {plain(error)}"
    reading.missing = {kind.name: why for kind in KINDS}
    return None


def _common(times: Sequence[Timeline]) -> Timeline | None:
    """One time axis on which all of `times` fit; the herds are magnified, if all are short beside the longest run."""
    if not times:
        return None
    end_s = max(time.end_s for time in times)
    herd_s: float | None = max(time.herd_s or time.end_s for time in times)
    if herd_s is None or end_s <= MAGNIFY_FROM * herd_s:
        herd_s = None
    start_s = -max(0.03 * end_s, 0.1) if herd_s is None else -herd_s / 7
    width_s = next((width for width in WIDTHS_S if end_s / width <= STEPS), end_s / STEPS)
    return replace(times[0], start_s=start_s, end_s=end_s, bin_s=width_s, herd_s=herd_s, phases=())


def _read(reading: _Reading, common: Timeline | None) -> None:
    """Reads every kind of panel on the `common` limits, with the run's own T0, drain and faults."""
    if reading.time is None or reading.trial.path is None or common is None:
        return
    own = reading.time
    time = replace(common, t0_ns=own.t0_ns, drained_s=own.drained_s, faults=own.faults)
    reading.time = time
    with open_run(reading.trial.path) as run:
        for kind in KINDS:
            _read_kind(reading, kind, run, time)


def _read_kind(reading: _Reading, kind: Kind[Any], run: RunData, time: Timeline) -> None:
    try:
        reading.found[kind.name] = kind.read(run, time)
    except Missing as missing:
        reading.missing[kind.name] = plain(missing)
    except Exception as error:  # a comparison that lacks one panel is better than none
        reading.missing[kind.name] = f"{type(error).__name__}: {plain(error)}"


def _panel(reading: _Reading, kind: Kind[Any], scale: Scale) -> Panel:
    if kind.name not in reading.found:
        return Panel(kind.title, missing=f"Not drawn: {reading.missing[kind.name]}".rstrip(".") + ".")
    canvas = Canvas(reading.time, PANEL)
    (axes,) = canvas.panels(HEIGHT)
    title = f"{kind.title}, {_unit(kind, scale)}"  # above the drawing: inside, it would overlap the mark of the drain
    _fill(kind, reading, canvas, axes, scale)
    key = tuple((text, hue.ink.name) for _, _, text, hue in sorted(canvas.names, key=lambda name: -name[1]))
    alt = f"{title}, of {reading.cell.label}: {', '.join(text for text, _ in key)}."
    return Panel(title, inline(canvas.svg(), f"{kind.name}-{reading.cell.number}-panel", alt), key)


def _unit(kind: Kind[Any], scale: Scale) -> str:
    return kind.unit + (", log scale" if scale.log else "")


def _fill(kind: Kind[Any], reading: _Reading, canvas: Canvas, axes: Any, scale: Scale) -> None:
    kind.draw(reading.found[kind.name], canvas, axes)
    if scale.log:
        canvas.log_y(axes, 0, scale.top)
    else:
        axes.set_ylim(0, scale.top)


def _column(kind: Kind[Any], readings: Sequence[_Reading], scale: Scale) -> Column:
    drawn = [reading for reading in readings if kind.name in reading.found]
    found: Mapping[str, Any] = {reading.cell.label: reading.found[kind.name] for reading in drawn}
    if not drawn:
        return Column(kind.name, kind.title, "No cell could be drawn.", "", "")
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("cell", *kind.columns))
    writer.writerows((label, *row) for label, each in found.items() for row in kind.rows(each))
    caption = kind.caption(found)
    return Column(kind.name, kind.title, caption, out.getvalue(), _file(kind, drawn, scale, caption))


def _file(kind: Kind[Any], drawn: Sequence[_Reading], scale: Scale, caption: str) -> str:
    """All panels of one kind, one below the other, as a file of its own."""
    first = drawn[0].time
    assert first is not None
    canvas = Canvas(replace(first, drained_s=None, faults=()), WIDE)
    for axes, reading in zip(canvas.panels(*[HEIGHT] * len(drawn)), drawn, strict=True):
        _fill(kind, reading, canvas, axes, scale)
        canvas.unit(axes, _unit(kind, scale))
        text: dict[str, Any] = {"ha": "center", "textcoords": "offset points", "fontsize": SMALL}
        axes.annotate(reading.cell.label, (0.5, 1), (0, 7), "axes fraction", color=INK.text, **text)
        if reading.time is not None and reading.time.drained_s is not None:
            axes.axvline(reading.time.drained_s, color=MUTED.mark, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    return standalone(canvas.svg(), f"{kind.title}, cell by cell. {caption}")
