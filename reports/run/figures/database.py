"""The load on the database: active backends, lock waits, write-ahead log, CPU."""

from functools import partial

import numpy as np
from matplotlib.axes import Axes

from reports.data import Missing, RunData
from reports.drawing import series
from reports.drawing.canvas import Canvas, short
from reports.drawing.chart import Chart, Table
from reports.drawing.series import Series
from reports.drawing.style import BLUE, GREEN, ORANGE, PURPLE, Hue
from reports.drawing.timeline import timeline

# Panel → what it counts, and its lines with their hues.
PANELS: dict[str, tuple[tuple[str, Hue], ...]] = {
    "backends": (("active", BLUE), ("waiting for a lock", ORANGE)),
    "WAL, kB/s": (("WAL", PURPLE),),
    "CPU, % of one core": (("postgres", GREEN),),
}


def database(run: RunData) -> Chart:
    """Four readings of the database. Raises `Missing` when none of them was sampled."""
    time = timeline(run)
    wal = series.rate(run, time, "postgres", "wal_bytes")
    cpu = series.rate(run, time, "processes", "postgres.cpu_s")
    found = {
        "active": series.gauge(run, time, "postgres", "active"),
        "waiting for a lock": series.gauge(run, time, "postgres", "lock_waits"),
        "WAL": wal.times(1 / 1000),
        "postgres": cpu.times(100),
    }
    if not any(found.values()):
        raise Missing("samples.parquet holds no reading of the database")
    rows: list[tuple[object, ...]] = [
        (round(float(t), 4), name, round(float(value), 3))
        for name, series in found.items()
        for t, value in zip(series.time_s, series.value, strict=True)
        if np.isfinite(value)
    ]
    said = {"active": "active_max", "waiting for a lock": "lock_waits_max"}
    most = {name: run.verdict.shaving.get(said.get(name, ""), series.peak) for name, series in found.items() if series}
    caption = _caption(most)
    table = Table(("time_s", "reading", "value"), sorted(rows, key=lambda row: (row[0], row[1])))
    return Chart("Database", caption, f"The database over time. {caption}", table, partial(_draw, found), time)


def _caption(most: dict[str, float]) -> str:
    parts = {
        "active": "backends active {:,.0f}",
        "waiting for a lock": "waiting for a lock {:,.0f}",
        "WAL": "log {:,.0f} kB/s",
        "postgres": "CPU {:,.0f} % of a core",
    }
    said = [text.format(most[name]) for name, text in parts.items() if name in most]
    return f"At its busiest: {', '.join(said)}. Waits shorter than the sampling interval are mostly missed."


def _draw(found: dict[str, Series], canvas: Canvas) -> None:
    for axes, (unit, lines) in zip(canvas.panels(84, 84, 84), PANELS.items(), strict=True):
        canvas.unit(axes, unit)
        for name, hue in lines:
            _line(canvas, axes, name, found[name], hue)
        axes.set_ylim(0, max(axes.get_ylim()[1], 1))


def _line(canvas: Canvas, axes: Axes, name: str, series: Series, hue: Hue) -> None:
    if not series:
        return
    canvas.line(axes, series.time_s, series.value, hue, drawstyle="steps-mid")
    canvas.name(axes, series.peak, f"{name}, max {short(round(series.peak))}", hue)
