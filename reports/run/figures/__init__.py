"""The figures of a report, one in each file. A figure is a `Figure`: a function from a run to a chart.

`FIGURES` lists them in the order of the page; a figure's key names its SVG and CSV. Queries belong in `drawing.metrics`, axes and
marks in `drawing.canvas`; a figure puts them together and writes the caption.
Read first: `queue.queue`.
"""

from collections.abc import Mapping

from reports.drawing.chart import Figure
from reports.run.figures.commits import commits
from reports.run.figures.conservation import conservation
from reports.run.figures.database import database
from reports.run.figures.delay import delay
from reports.run.figures.fairness import fairness
from reports.run.figures.latency import latency
from reports.run.figures.progress import progress
from reports.run.figures.queue import queue
from reports.run.figures.requests import requests
from reports.run.figures.tester import tester

FIGURES: Mapping[str, Figure] = {
    "conservation": conservation,
    "requests": requests,
    "progress": progress,
    "commits": commits,
    "database": database,
    "queue": queue,
    "latency": latency,
    "delay": delay,
    "fairness": fairness,
    "tester": tester,
}
