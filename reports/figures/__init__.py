"""Figures, one a file. A figure is a `Figure`: a function from a run to a chart. Its key names its files."""

from collections.abc import Mapping

from reports.chart import Figure
from reports.figures.commits import commits
from reports.figures.conservation import conservation
from reports.figures.database import database
from reports.figures.delay import delay
from reports.figures.fairness import fairness
from reports.figures.latency import latency
from reports.figures.progress import progress
from reports.figures.queue import queue
from reports.figures.requests import requests
from reports.figures.tester import tester

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
