"""Cumulative promises and rows against the stock: a line above the stock is an oversell."""

from functools import partial

from reports.data import RunData
from reports.drawing import metrics
from reports.drawing.canvas import Canvas
from reports.drawing.chart import Chart, columns
from reports.drawing.metrics import Progress
from reports.drawing.style import BLUE, GREEN, INK, RED
from reports.drawing.timeline import timeline


def progress(run: RunData) -> Chart:
    """Cumulative promises and rows. Raises `Missing` without the history or the rows."""
    time = timeline(run)
    found = metrics.progress(run, time)
    table = columns(end_s=found.edges[1:], promises=found.promises, rows=found.rows)
    caption = _caption(found)
    return Chart(
        "Promises and rows",
        caption,
        f"Units promised and stored so far. {caption}",
        table,
        partial(_draw, found),
        time,
    )


def _caption(found: Progress) -> str:
    text = f"{found.promised:,} units were promised and {found.stored:,} rows written"
    if found.stock is None:
        return f"{text}; the stock is not recorded."
    if found.above_stock:
        return f"{text} of a stock of {found.stock:,}: {found.above_stock:,} above it (red)."
    return f"{text} of a stock of {found.stock:,}: neither line crosses it."


def _draw(found: Progress, canvas: Canvas) -> None:
    (axes,) = canvas.panels(210 if canvas.wide else 190)
    canvas.unit(axes, "units")
    edges = found.edges
    promises, rows = ([0.0, *series] for series in (found.promises, found.rows))
    axes.plot(edges, promises, color=GREEN.mark, drawstyle="steps-post", linewidth=2)
    axes.plot(edges, rows, color=BLUE.mark, drawstyle="steps-post", linewidth=2)
    canvas.name(axes, promises[-1] + 0.01, f"promised {found.promised:,}", GREEN)
    canvas.name(axes, rows[-1], f"rows {found.stored:,}", BLUE)
    top = max(promises[-1], rows[-1], found.stock or 0, 1)
    if found.stock is not None:
        axes.axhline(found.stock, color=INK.mark, linewidth=1)
        canvas.name(axes, found.stock + 0.02, f"stock {found.stock:,}", INK)
        _red(found, canvas, top)
    axes.set_ylim(0, top * 1.12)


def _red(found: Progress, canvas: Canvas, top: float) -> None:
    """Fills the area above the stock, and says how many units it is."""
    (axes,), stock = canvas.figure.axes[:1], found.stock or 0
    if top <= stock:
        return
    for series in (found.promises, found.rows):
        above = [0.0, *series]
        axes.fill_between(
            found.edges,
            stock,
            above,
            where=[y > stock for y in above],
            step="post",
            color=RED.mark,
            linewidth=0,
        )
    canvas.note(
        axes,
        0.02,
        top,
        f"+{found.above_stock:,} {'unit' if found.above_stock == 1 else 'units'} above the stock",
        RED,
        xycoords=axes.get_yaxis_transform(),
        va="bottom",
    )
