"""Commits a second against W·L, the limit of all workers; behind them, in grey, the requests a second whose peak was shaved."""

from functools import partial

import numpy as np
from matplotlib.axes import Axes

from reports.data import RunData
from reports.drawing import metrics
from reports.drawing.canvas import Canvas
from reports.drawing.chart import Chart, columns
from reports.drawing.metrics import Commits
from reports.drawing.style import BLUE, GHOST, PURPLE, RED, SKY
from reports.drawing.timeline import timeline
from reports.verdict import number_text

CUT = 3  # the axis is cut if the peak of requests is more than this many times as high as the commits


def commits(run: RunData) -> Chart:
    """Commits a second. Raises `Missing` when neither rows nor samples are there."""
    time = timeline(run)
    found = metrics.commits(run, time)
    table = columns(
        start_s=found.edges[:-1],
        requests_per_s=found.requests,
        rows_per_s=found.rows,
        rows_in_last_1s=found.rows_1s,
    )
    caption = _caption(found, time.bin_s)
    return Chart(
        "The peak, shaved",
        caption,
        f"Commits a second over time. {caption}",
        table,
        partial(_draw, found),
        time,
    )


def _caption(found: Commits, bin_s: float) -> str:
    width = f"{bin_s * 1000:.0f} ms" if bin_s < 1 else f"{bin_s:g} s" + "; of each, its busiest second" * (bin_s > 1)
    limits = ", then ".join(f"{per_s:,.0f}/s" for per_s in found.limits)
    limit = f"; the limit W·L is {limits}, with a burst on top" if limits else ""
    fullest = f"The fullest second held {found.fullest_1s:,} rows{limit}."
    if not found.rows.any():
        fullest = "No row carries a time; write transactions are Postgres's own count."
    requests, commits, factor = (
        found.shaving.get(key) for key in ("requests_max_per_s", "commits_max_per_s", "factor")
    )
    if requests is None or commits is None or factor is None:
        return f"{fullest} Bins of {width}."
    return (
        f"In their busiest seconds, {number_text(requests)} requests became {number_text(commits)} commits: "
        f"shaved to 1 in {number_text(factor)}. {fullest} Bins of {width}."
    )


def _draw(found: Commits, canvas: Canvas) -> None:
    written = found.transactions.peak if found.transactions else 0
    top = max(found.rows.max(initial=0), found.fullest_1s, *found.limits, written, 1) * 1.15
    peak = found.requests.max(initial=0)
    cut = peak > CUT * top
    heights = (70, 190) if cut else (230,)
    *above, axes = canvas.panels(*heights)
    _draw_commits(found, canvas, axes, top if cut else max(top, peak * 1.06))
    for each in (*above, axes):
        each.stairs(found.requests, found.edges, fill=True, color=GHOST.mark, linewidth=0, zorder=0.8)
    ghost = above[0] if cut else axes
    canvas.unit(ghost, "requests/s" if cut else "commits/s, requests/s" if peak else "commits/s")
    if cut:
        ghost.set_ylim(top, peak * 1.1)
        ghost.spines["bottom"].set_visible(False)
        ghost.tick_params(axis="x", length=0)
        canvas.unit(axes, f"commits/s  (axis cut at {top:,.0f})")
    if peak:
        canvas.name(ghost, peak, "requests", GHOST)


def _draw_commits(found: Commits, canvas: Canvas, axes: Axes, top: float) -> None:
    axes.set_ylim(0, top)
    axes.stairs(found.rows, found.edges, fill=True, color=SKY.mark, alpha=0.45, linewidth=0)
    if found.rows.any():
        canvas.name(axes, float(np.median(found.rows[found.rows > 0])) * 0.6, "rows", SKY)
    if found.transactions:
        canvas.line(
            axes,
            found.transactions.time_s,
            found.transactions.value,
            PURPLE,
            linewidth=1,
            drawstyle="steps-mid",
        )
        canvas.name(axes, 0, "write transactions", PURPLE)
    axes.plot(found.edges[1:], found.rows_1s, color=BLUE.mark, linewidth=2)
    if found.fullest_1s:
        canvas.name(axes, found.fullest_1s, f"fullest 1 s: {found.fullest_1s:,}", BLUE)
        axes.plot(found.fullest_s, found.fullest_1s, "o", color=BLUE.mark, markersize=5)
    if found.limits:
        since = [found.edges[0], *(at_s for at_s, _ in found.changed), found.edges[-1]]
        allowed = [*found.limits, found.limits[-1]]
        axes.plot(since, allowed, color=RED.mark, linewidth=1.2, linestyle=(0, (5, 2)), drawstyle="steps-post")
        canvas.name(axes, allowed[-1] - 0.01, f"W·L = {allowed[-1]:,.0f}/s", RED)
