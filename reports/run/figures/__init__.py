"""Figures, one a file. A figure is a `Figure`: a function from a run to a chart. Its key names its files."""

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
