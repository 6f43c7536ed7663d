"""The time from a promise to its row, as a cumulative distribution."""

from functools import partial

import numpy as np

from reports.data import Column, Missing, RunData
from reports.drawing import metrics
from reports.drawing.canvas import Canvas
from reports.drawing.chart import Chart, columns
from reports.drawing.style import BLUE, INK

POINTS = 400  # of the curve


def delay(run: RunData) -> Chart:
    """The share of promises stored within a given time. Raises `Missing` when no promise has a row with a time."""
    found = metrics.delays(run)
    if not len(found):
        raise Missing("no promise has a row that carries a time")
    share = np.linspace(0, 1, min(POINTS, len(found) + 1))
    curve = np.quantile(found, share, method="inverted_cdf")
    half, most, last = (float(np.quantile(found, point)) for point in (0.5, 0.99, 1.0))
    caption = (
        f"Half of {len(found):,} promises were rows within {half:,.2f} s, 99 % within {most:,.2f} s, "
        f"the last after {last:,.2f} s. A straight line is a queue drained at a steady rate."
    )
    table = columns(share_percent=share * 100, within_s=curve)
    alt = f"Share of promises stored within a time. {caption}"
    return Chart("From promise to row", caption, alt, table, partial(_draw, curve, share, half))


def _draw(curve: Column, share: Column, half: float, canvas: Canvas) -> None:
    (axes,) = canvas.plain(180, top=26)
    canvas.unit(axes, "% of promises stored")
    canvas.x_unit(axes, "seconds since the promise")
    axes.plot(curve, share * 100, color=BLUE.mark, linewidth=2)
    axes.plot([half], [50], "o", color=INK.mark, markersize=4)
    canvas.name(axes, 50, f"median {half:,.2f} s", INK)
    axes.set_xlim(min(0, float(curve[0])), max(float(curve[-1]) * 1.02, 1e-3))
    axes.set_ylim(0, 104)
