"""What several commands print with, and what they do once a run is judged."""

import contextlib
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Thread

from rich.console import Console

from loadtest.errors import HarnessError, logged
from loadtest.record.run_dir import RunDir
from loadtest.stack.external import without_password

# Messages hold what others wrote, such as paths and errors: "[a/b]" in them is text, and so is ":key:".
console = Console(markup=False, emoji=False, highlight=False)


def reporting(wanted: bool) -> Callable[[Path], None]:
    """What is done to a run directory once it is judged. Drawing takes Matplotlib, which is imported while the services start."""
    if not wanted:
        return _no_report
    Thread(target=_import_early, name="import", daemon=True).start()
    return draw_if_possible


def _import_early() -> None:
    with contextlib.suppress(Exception):  # it is raised again where the report is drawn, and told there
        importlib.import_module("reports.run.build")


def draw_if_possible(run_dir: Path) -> None:
    """Render the report of a run that has been judged. What is raised is told, and changes nothing about the verdict."""
    try:
        draw_report(run_dir)
    except HarnessError as error:
        _no_report(run_dir)
        console.print(f"report not drawn: {error}", style="yellow", soft_wrap=True)


def draw_report(run_dir: Path) -> None:
    """Render the report, junit.xml and summary.md of a run directory.

    Raises:
        HarnessError: it cannot be drawn or written; the traceback is in the logs of the run.
    """
    with logged(RunDir(run_dir).logs):
        from reports.run.build import build

        build(run_dir)


def draw_comparison(directory: Path) -> str:
    """Render the comparison of a matrix that has been held; gives its path, or says that there is none."""
    try:
        with logged(directory / "logs"):
            from reports.comparison.compare import compare_matrix

            return str(compare_matrix(directory))
    except HarnessError as error:
        return f"not drawn: {error}"


def _no_report(run_dir: Path) -> None:
    """Of a run that is judged alone."""
    with contextlib.suppress(OSError):
        (run_dir / "report.html").unlink(missing_ok=True)  # what it said may no longer hold


def repeatable() -> list[str]:
    """The command line as it was typed, without passwords."""
    return ["loadtest", *map(without_password, sys.argv[1:])]
