"""The load on the database: active backends, lock waits, write-ahead log, CPU."""

from collections.abc import Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Kind:
    """What is sampled of one kind of database. `clients` is what it calls those that work for clients; `log` names its log, `log_bytes` the metric.

    `panels`: panel → what it counts, and its lines with their hues.
    """

    clients: str
    log: str
    log_bytes: str
    panels: Mapping[str, tuple[tuple[str, Hue], ...]]


ACTIVE = (("active", BLUE), ("waiting for a lock", ORANGE))
KINDS = {
    "postgres": Kind("backends", "WAL", "wal_bytes", {
        "backends": ACTIVE, "WAL, kB/s": (("WAL", PURPLE),), "CPU, % of one core": (("postgres", GREEN),),
    }),
    "mysql": Kind("threads", "log", "log_bytes", {"threads": ACTIVE, "redo log, kB/s": (("log", PURPLE),)}),
}  # fmt: skip


def database(run: RunData) -> Chart:
    """What was sampled of the database. Raises `Missing` when that was nothing, as of one that no probe reads."""
    time = timeline(run)
    run.need("samples")
    probe = series.probed_database(run)
    if probe is None:
        raise Missing("no probe has read the database: only Postgres and MySQL have one")
    kind = KINDS[probe]
    log = series.rate(run, time, probe, kind.log_bytes)
    found = {
        "active": series.gauge(run, time, probe, "active"),
        "waiting for a lock": series.gauge(run, time, probe, "lock_waits"),
        kind.log: log.times(1 / 1000),
    }
    if probe == "postgres":
        found["postgres"] = series.rate(run, time, "processes", "postgres.cpu_s").times(100)
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
    caption = _caption(kind, most)
    table = Table(("time_s", "reading", "value"), sorted(rows, key=lambda row: (row[0], row[1])))
    return Chart("Database", caption, f"The database over time. {caption}", table, partial(_draw, kind, found), time)


def _caption(kind: Kind, most: dict[str, float]) -> str:
    parts = {
        "active": f"{kind.clients} active {{:,.0f}}",
        "waiting for a lock": "waiting for a lock {:,.0f}",
        kind.log: "log {:,.0f} kB/s",
        "postgres": "CPU {:,.0f} % of a core",
    }
    said = [text.format(most[name]) for name, text in parts.items() if name in most]
    return f"At its busiest: {', '.join(said)}. Waits shorter than the sampling interval are mostly missed."


def _draw(kind: Kind, found: dict[str, Series], canvas: Canvas) -> None:
    for axes, (unit, lines) in zip(canvas.panels(*[84] * len(kind.panels)), kind.panels.items(), strict=True):
        canvas.unit(axes, unit)
        for name, hue in lines:
            _line(canvas, axes, name, found[name], hue)
        axes.set_ylim(0, max(axes.get_ylim()[1], 1))


def _line(canvas: Canvas, axes: Axes, name: str, series: Series, hue: Hue) -> None:
    if not series:
        return
    canvas.line(axes, series.time_s, series.value, hue, drawstyle="steps-mid")
    canvas.name(axes, series.peak, f"{name}, max {short(round(series.peak))}", hue)
