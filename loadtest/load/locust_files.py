"""Locust's own files, made whole: they are to hold also the last second of a sale that took three."""

import csv
from pathlib import Path
from typing import Any

import locust.stats
from locust.html import get_html_report

TICK_S = 1


def tick_faster() -> None:
    """Locust's own charts tick every 5 s and would show nothing of such a sale."""
    locust.stats.HISTORY_STATS_INTERVAL_SEC = TICK_S


def write_html(environment: Any, path: Path) -> None:
    """Writes the HTML report where it is missing: Locust leaves it out when a signal ends it."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(get_html_report(environment, show_download_link=False), encoding="utf-8")


def write_csv(environment: Any, prefix: str) -> None:
    """Writes the CSV files of totals once more: Locust's last writing is up to a second before the end."""
    tables = locust.stats.StatsCSV(environment, locust.stats.PERCENTILES_TO_REPORT)
    writers = {"stats": tables.requests_csv, "failures": tables.failures_csv, "exceptions": tables.exceptions_csv}
    for name, write in writers.items():
        with Path(f"{prefix}_{name}.csv").open("w", encoding="utf-8", newline="") as file:
            write(csv.writer(file))
