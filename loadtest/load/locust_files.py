"""Locust's own report files, completed: a sale may take three seconds, and Locust would miss the last of them."""

import csv
from pathlib import Path
from typing import Any

import locust.stats
from locust.html import get_html_report

TICK_S = 1


def tick_faster() -> None:
    """Makes Locust's charts take a point every TICK_S. Their default of 5 s is longer than a short sale."""
    locust.stats.HISTORY_STATS_INTERVAL_SEC = TICK_S


def write_html(environment: Any, path: Path) -> None:
    """Writes the HTML report where it is missing: Locust does not write it when a signal ends the run."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(get_html_report(environment, show_download_link=False), encoding="utf-8")


def write_csv(environment: Any, prefix: str) -> None:
    """Writes the CSV files of totals once more: Locust last wrote them up to a second before the end."""
    tables = locust.stats.StatsCSV(environment, locust.stats.PERCENTILES_TO_REPORT)
    writers = {"stats": tables.requests_csv, "failures": tables.failures_csv, "exceptions": tables.exceptions_csv}
    for name, write in writers.items():
        with Path(f"{prefix}_{name}.csv").open("w", encoding="utf-8", newline="") as file:
            write(csv.writer(file))
