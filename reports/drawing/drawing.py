"""Turns charts into what a page holds: two SVGs, a key for the narrow one, a table, and a CSV."""

import csv
import io
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass

from reports.data import Missing, RunData
from reports.drawing.canvas import NARROW, WIDE, Canvas, Format
from reports.drawing.chart import Chart, Figure, Table
from reports.drawing.style import styled
from reports.drawing.svg import inline, standalone
from reports.verdict import plain

ROWS = 60  # of a figure's data that the page shows; all are in the CSV


@dataclass(frozen=True)
class Drawing:
    """A figure on the page. `missing` says why there is none; then only `name` and `title` are set."""

    name: str
    title: str
    caption: str = ""
    wide: str = ""
    narrow: str = ""
    key: tuple[tuple[str, str], ...] = ()  # text and CSS variable of each name
    file: str = ""  # the SVG that stands alone
    csv: str = ""
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    more: int = 0  # rows that only the CSV has
    open_table: bool = False
    missing: str | None = None

    @property
    def csv_uri(self) -> str:
        """The CSV as a link that works offline."""
        return "data:text/csv;base64," + b64encode(self.csv.encode()).decode()


def draw(name: str, figure: Figure, run: RunData) -> Drawing:
    """`figure` of `run`. Never raises: if it cannot be drawn, `missing` says why, and the rest of the report goes on."""
    return draw_chart(name, lambda: figure(run))


def draw_chart(name: str, make: Callable[[], Chart]) -> Drawing:
    """The chart that `make` returns, whatever it reads. Never raises; see `draw`."""
    try:
        chart = make()
        with styled():
            return _drawing(name, chart)
    except Missing as missing:
        return Drawing(name, name.capitalize(), missing=f"Not drawn: {plain(missing)}.")
    except Exception as error:  # a report that lacks one figure is better than none
        return Drawing(name, name.capitalize(), missing=f"Not drawn: {type(error).__name__}: {plain(error)}")


def _drawing(name: str, chart: Chart) -> Drawing:
    wide, _ = _drawn(chart, WIDE)
    narrow, key = _drawn(chart, NARROW)
    rows = tuple(tuple("" if value is None else plain(value) for value in row) for row in chart.table.rows[:ROWS])
    return Drawing(
        name=name,
        title=chart.title,
        caption=chart.caption,
        wide=inline(wide, f"{name}-wide", chart.alt),
        narrow=inline(narrow, f"{name}-narrow", chart.alt),
        key=key,
        file=standalone(wide, chart.alt),
        csv=_csv(chart.table),
        header=chart.table.columns,
        rows=rows,
        more=len(chart.table.rows) - len(rows),
        open_table=chart.open_table,
    )


def _drawn(chart: Chart, form: Format) -> tuple[str, tuple[tuple[str, str], ...]]:
    """The SVG, and what is named in it: text and CSS variable."""
    canvas = Canvas(chart.time, form)
    chart.draw(canvas)
    names = tuple((text.replace("\n", " "), hue.ink.name) for _, _, text, hue in canvas.names)
    return canvas.svg(), names


def _csv(table: Table) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows(table.rows)
    return out.getvalue()
