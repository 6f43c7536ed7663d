"""Requests a second: planned, sent, and answered, by outcome."""

from functools import partial

import numpy as np

from reports.data import RunData
from reports.drawing import metrics
from reports.drawing.canvas import Canvas
from reports.drawing.chart import Chart, columns
from reports.drawing.metrics import Requests
from reports.drawing.style import INK, MUTED, outcome
from reports.drawing.timeline import timeline

CUT = 4  # the y axis is cut if requests sent peak at this many times the answers or more


def requests(run: RunData) -> Chart:
    """Requests a second, stacked by their answers. Raises `Missing` without the history."""
    time = timeline(run)
    found = metrics.requests(run, time)
    table = columns(
        start_s=found.edges[:-1], scheduled_per_s=found.scheduled,
        sent_per_s=found.sent, polls_per_s=found.polls,
        **{f"{name}_per_s": answered for name, answered in found.answered.items()},
    )  # fmt: skip
    caption = _caption(found, time.bin_s)
    return Chart("Requests", caption, f"Requests a second over time. {caption}", table, partial(_draw, found), time)


def _caption(found: Requests, bin_s: float) -> str:
    if not found.sent.any():
        return "No buyer sent anything."
    width = f"{bin_s * 1000:.0f} ms" if bin_s < 1 else f"{bin_s:g} s"
    busy = np.flatnonzero(sum(found.answered.values(), np.zeros_like(found.sent)))
    text = f"Buyers sent {found.orders:,} orders"
    if found.achieved_1s is not None:
        text += f", {found.achieved_1s:,.0f} of them in the busiest second"
    if found.offered_1s is not None:
        text += f"; at most {found.offered_1s:,.0f} were due in one"
    if len(busy):
        text += f"; the last answer came {found.edges[busy[-1] + 1]:.3g} s after T0"
    polls = " Looks at the page or at an order's status are not stacked." if found.polls.any() else ""
    busiest = "; of each, the lines show the busiest second, and the stack the mean" if bin_s > 1 else ""
    return f"{text}. Bins of {width}{busiest}.{polls}"


def _draw(found: Requests, canvas: Canvas) -> None:
    (axes,) = canvas.panels(230 if canvas.wide else 210)
    canvas.unit(axes, "requests/s")
    total = np.zeros_like(found.sent)
    for name, answered in found.answered.items():
        hue = outcome(name)
        axes.stairs(total + answered, found.edges, baseline=total, fill=True, color=hue.mark, alpha=0.85, linewidth=0)
        peak = int(np.argmax(total + answered))
        count = answered.sum() * (found.edges[1] - found.edges[0])
        canvas.name(axes, float(total[peak] + answered[peak] / 2), f"{name.replace('_', ' ')} {count:,.0f}", hue)
        total = total + answered
    axes.stairs(found.scheduled, found.edges, color=INK.mark, linewidth=1, linestyle=(0, (2, 2)))
    axes.stairs(found.sent, found.edges, color=INK.mark, linewidth=1.3)
    if found.polls.any():
        axes.stairs(found.polls, found.edges, color=MUTED.mark, linewidth=0.9, zorder=0.9)
        canvas.name(axes, 0, "looks", MUTED)
    peak_per_s = float(max(found.scheduled.max(), found.sent.max(), 1))
    top = peak_per_s if peak_per_s < CUT * total.max() or not total.any() else float(total.max()) * 1.5
    canvas.name(axes, peak_per_s, "sent", INK)
    canvas.name(axes, peak_per_s + 0.01, "planned (dashed)", INK)
    axes.set_ylim(0, top * 1.06)
    if top < peak_per_s:
        canvas.note(
            axes,
            found.edges[int(np.argmax(found.sent)) + 1],
            top,
            f"  ↑ to {peak_per_s:,.0f}/s within one bin",
            INK,
            va="center",
        )
