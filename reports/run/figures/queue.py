"""Units left to sell and orders waiting to be stored, over the run."""

from functools import partial

import numpy as np

from reports.data import Missing, RunData
from reports.drawing import series
from reports.drawing.canvas import Canvas, short
from reports.drawing.chart import Chart, Table
from reports.drawing.series import Series
from reports.drawing.style import BLUE, GREEN, ORANGE, Hue
from reports.drawing.timeline import Timeline, timeline

SERIES: dict[str, tuple[str, str, Hue]] = {
    "tokens left": ("redis", "tokens", GREEN),
    "queue, ready": ("broker", "ready", BLUE),
    "held by workers": ("broker", "unacked", ORANGE),
}


def queue(run: RunData) -> Chart:
    """Tokens, ready and unacknowledged messages. Raises `Missing` when none of them was sampled."""
    time = timeline(run)
    found = {name: series.gauge(run, time, probe, metric) for name, (probe, metric, _) in SERIES.items()}
    if not any(found.values()):
        raise Missing("samples.parquet holds neither tokens nor queue depths")
    rows: list[tuple[object, ...]] = [
        (round(float(t), 4), name, float(value))
        for name, series in found.items()
        for t, value in zip(series.time_s, series.value, strict=True)
        if np.isfinite(value)
    ]
    caption = _caption(found, time)
    table = Table(("time_s", "metric", "value"), sorted(rows, key=lambda row: (row[0], row[1])))
    return Chart("Queue", caption, f"Tokens and queue depth over time. {caption}", table, partial(_draw, found), time)


def _caption(found: dict[str, Series], time: Timeline) -> str:
    deepest = {name: series.peak for name, series in found.items() if series}
    ready = deepest.get("queue, ready")
    text = "The broker's queue was not read." if ready is None else f"The queue was at most {ready:,.0f} orders deep"
    if ready is not None:
        text += (
            f" and was drained {time.drained_s:.1f} s after T0."
            if time.drained_s is not None
            else " and was not drained."
        )
    if any(np.isnan(series.value).any() for series in found.values() if series):
        text += " A gap in a line is a probe that did not answer."
    silent = [name for name, series in found.items() if not series]
    return text + (f" Not sampled: {'; '.join(silent)}." if silent and ready is not None else "")


def _draw(found: dict[str, Series], canvas: Canvas) -> None:
    (axes,) = canvas.panels(220 if canvas.wide else 200)
    canvas.unit(axes, "units, log scale")
    top = max(1.0, *(series.peak for series in found.values() if series)) * 1.6
    canvas.log_y(axes, 0, top)
    for name, line in found.items():
        if not line:
            continue
        hue = SERIES[name][2]
        canvas.line(axes, line.time_s, line.value, hue, linewidth=2, drawstyle="steps-post")
        peak = line.peak
        canvas.name(axes, peak, f"{name}, max {short(peak)}", hue)
