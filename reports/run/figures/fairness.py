"""Whether those who asked first also won first."""

from functools import partial

from matplotlib.axes import Axes

from reports.data import Column, Missing, RunData
from reports.drawing import metrics
from reports.drawing.canvas import Canvas
from reports.drawing.chart import Chart, columns
from reports.drawing.style import GREEN, INK
from reports.verdict import number_text


def fairness(run: RunData) -> Chart:
    """The winners' ranks by asking and by winning. Raises `Missing` with fewer than two of them."""
    arrival, win = metrics.ranks(run)
    if len(arrival) < 2:
        raise Missing("fewer than two buyers won")
    caption = _caption(run)
    table = columns(place_by_asking=arrival, place_by_winning=win)
    alt = f"Winners by when they asked and when they won. {caption}"
    return Chart("First come, first served?", caption, alt, table, partial(_draw, arrival, win))


def _caption(run: RunData) -> str:
    text = "On the line, winners were told in the order in which they asked; above it, one waited while others passed."
    tau, worst = (run.verdict.fairness.get(key) for key in ("kendall_tau", "worst_inversion"))
    if tau is not None:
        text += f" Kendall's τ is {tau:.2f}: 1 is that order, 0 is none."
    return text + (f" One winner passed {number_text(worst)} others." if worst else "")


def _draw(arrival: Column, win: Column, canvas: Canvas) -> None:
    (axes,) = canvas.plain(260 if canvas.wide else 300, top=26)
    canvas.unit(axes, "place by winning")
    canvas.x_unit(axes, "place by asking")
    last = float(max(arrival[-1], win.max()))
    axes.plot([1, last], [1, last], color=INK.mark, linewidth=1)
    axes.scatter(arrival, win, s=7, color=GREEN.fill.light, alpha=0.7, linewidths=0, rasterized=True)
    canvas.name(axes, last, "first come, first served", INK)
    canvas.name(axes, last * 0.9, "winners", GREEN)
    _square(axes, last)


def _square(axes: Axes, last: float) -> None:
    axes.set_xlim(0, last * 1.02)
    axes.set_ylim(0, last * 1.04)
