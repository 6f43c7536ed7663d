"""A chart that is ready to be drawn, with its caption, its alternative text and its data."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from reports.data import Column, RunData
from reports.drawing.canvas import Canvas
from reports.drawing.timeline import Timeline


@dataclass(frozen=True)
class Table:
    """The data of a figure. NaN and None are empty cells."""

    columns: tuple[str, ...]
    rows: Sequence[tuple[object, ...]]


@dataclass(frozen=True)
class Chart:
    """What a figure gives. `caption` says what to see, from the data; `alt` what the picture shows, for those who cannot see it.

    `open_table`: the page shows the table at once, instead of folding it away.
    `draw` is called once for each format, on a fresh canvas.
    """

    title: str
    caption: str
    alt: str
    table: Table
    draw: Callable[[Canvas], None]
    time: Timeline | None = None
    open_table: bool = False


class Figure(Protocol):
    """Reads a run and gives a chart. Raises `Missing` where the run lacks what it needs."""

    def __call__(self, run: RunData) -> Chart: ...


def columns(**named: Column) -> Table:
    """A table of equally long columns. Their names are the keywords; units belong in them."""
    values = [np.round(column, 4) for column in named.values()]
    rows = [tuple(None if value != value else float(value) for value in row) for row in zip(*values, strict=True)]
    return Table(tuple(named), rows)
