"""How long buyers waited for their answers, from when they were due to ask."""

from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from reports.data import Missing, RunData
from reports.drawing import metrics
from reports.drawing.canvas import Canvas
from reports.drawing.chart import Chart, Table
from reports.drawing.metrics import Latency
from reports.drawing.style import COLOURS, outcome
from reports.drawing.timeline import timeline

BAR = 10.0  # px, for the percentiles of one outcome at the right of the scatter


def latency(run: RunData) -> Chart:
    """Latency by outcome. Raises `Missing` without the history, or when nobody was answered."""
    time = timeline(run)
    found = metrics.latencies(run, time)
    if not found:
        raise Missing("history.parquet holds no answer to a buyer")
    header = (
        "outcome",
        "answers",
        "p50_ms",
        "p99_ms",
        "p99.9_ms",
        "max_ms",
        "p50_ms_from_sending",
        "p99_ms_from_sending",
    )
    rows: list[tuple[object, ...]] = [
        (each.outcome, each.count, *(round(ms, 2) for ms in (*each.scheduled_ms, *each.raw_ms[:2]))) for each in found
    ]
    ((silent,),) = run.rows("SELECT count(*) FROM asks WHERE end_ns IS NULL")
    caption = _caption(found, silent)
    table = Table(header, rows)
    return Chart(
        "Latency",
        caption,
        f"Latency of answers over time. {caption}",
        table,
        partial(_draw, found),
        time,
        open_table=True,
    )


def _caption(found: list[Latency], silent: int) -> str:
    first = max(found, key=lambda each: each.count)
    p50, p99, p999, _ = first.scheduled_ms
    text = (
        f"Half of the {first.count:,} answers “{first.outcome.replace('_', ' ')}” took {p50:,.0f} ms, "
        f"99 % at most {p99:,.0f} ms, 99.9 % at most {p999:,.0f} ms, counted from when the buyer was due; "
        f"from the sending, 99 % took at most {first.raw_ms[1]:,.0f} ms. Each outcome has percentiles of its own."
    )
    return text + (f" {silent:,} requests got no answer and are not drawn." if silent else "")


def _draw(found: list[Latency], canvas: Canvas) -> None:
    (axes,) = canvas.panels(250 if canvas.wide else 220)
    canvas.unit(axes, "ms, log scale")
    colours = {colour.mark: colour.light for colour in COLOURS}
    for each in found:
        mark = colours[outcome(each.outcome).mark]  # rasterised points cannot follow the page's CSS colours
        axes.scatter(
            each.time_s,
            np.maximum(each.points_ms, 0.01),
            s=5,
            color=mark,
            alpha=0.6,
            linewidths=0,
            rasterized=True,
        )
    low = min(max(float(np.min(each.points_ms, initial=np.inf)), 0.1) for each in found)
    high = max(each.scheduled_ms[3] for each in found)
    canvas.log_y(axes, low * 0.7, max(high * 1.5, low * 2))
    for place, each in enumerate(found):
        name = each.outcome.replace("_", " ")
        p50, p99, _, _ = each.scheduled_ms
        canvas.name(axes, p50, f"{name}\np50 {p50:,.0f}, p99 {p99:,.0f}", outcome(each.outcome))
        if canvas.wide:
            _percentiles(axes, place, each)
    canvas.indent = BAR * len(found)


def _percentiles(axes: Axes, place: int, each: Latency) -> None:
    """A bar beside the scatter from p50 to p99.9, with a tick at p99."""
    p50, p99, p999, _ = each.scheduled_ms
    x = 1 + (BAR * place + 8) / axes.bbox.width
    style: dict[str, Any] = {
        "color": outcome(each.outcome).mark, "clip_on": False, "transform": axes.get_yaxis_transform()
    }  # fmt: skip
    axes.plot([x, x], [p50, p999], linewidth=2, **style)
    axes.plot([x], [p50], "o", markersize=5, **style)
    axes.plot([x], [p99], "_", markersize=8, markeredgewidth=2, **style)
