"""What several commands print with, and what they do once a run is judged."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Thread

from rich.console import Console

from loadtest.stack.external import Given, without_password

console = Console()


def reporting(wanted: bool) -> Callable[[Path], None]:
    """What is done to a run directory once it is judged. Drawing takes Matplotlib, which is imported while the services start."""
    if not wanted:
        return _no_report
    Thread(target=importlib.import_module, args=("reports.run.build",), name="import", daemon=True).start()
    return draw_report


def draw_report(run_dir: Path) -> None:
    """Render the report, junit.xml and summary.md of a run directory."""
    from reports.run.build import build

    build(run_dir)


def _no_report(run_dir: Path) -> None:
    """Of a run that is judged alone."""
    (run_dir / "report.html").unlink(missing_ok=True)  # what it said may no longer hold


def repeatable(given: Given) -> list[str]:
    """The command line as it was typed, without passwords."""
    secret = {url: without_password(url) for url in given.all}
    words = ["loadtest", *sys.argv[1:]]
    for url, shown in secret.items():
        words = [word.replace(url, shown) for word in words]
    return words
