"""The commands of many sales: certify the checks, sweep rates and workers, hold the cells of a matrix."""

import sys
from pathlib import Path
from typing import Any

import click

from loadtest.campaign.certify import certify
from loadtest.campaign.matrix import load_started, run_matrix, start_directory
from loadtest.cli.flags import existing_directory, given_by, given_services, out_option, report_option
from loadtest.cli.output import console, draw_comparison, repeatable, reporting
from loadtest.experiment.files import load_experiment
from loadtest.experiment.schema import Experiment
from loadtest.sale.beforehand.given_broker import follow_given
from loadtest.sizing.sweep import swept, write_predictions
from loadtest.stack.external import Given


@click.command("certify")
@click.argument("experiment", default="rush")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a key of the experiment.")
@click.option("--only", multiple=True, metavar="CHECK", help="Only what must trip this check; certifies nothing.")
@click.option("--also", multiple=True, metavar="EXPERIMENT", help="Hold the mistakes of this sale's shop as well.")
@out_option
@report_option
@given_services
def certify_command(
    experiment: str, overrides: tuple[str, ...], only: tuple[str, ...], also: tuple[str, ...], out: Path, report: bool,
    **services: Any,
) -> None:  # fmt: skip
    """Show that the checks can fail: run every control and mutant of EXPERIMENT's shop, and every honest twin.

    Exit code: 0 when each tripped its named check and nothing honest tripped any, else 1.
    """
    given = given_by(services)
    base = follow_given(load_experiment(experiment, overrides), given)
    directory, good = certify(
        base, given, out, repeatable(), console, reporting(report), only, [load_experiment(name) for name in also]
    )
    console.print(f"runs    {directory}", style="dim")
    sys.exit(0 if good else 1)


@click.command("sweep")
@click.argument("experiment", default="sweep")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a key of the experiment.")
@click.option("--rates", metavar="LIST", help="Orders a second, as limiter.rate_per_s counts them: 50,100,200.")
@click.option("--workers", metavar="LIST", help="Numbers of workers: 1,2,4.")
@click.option("--limiter", metavar="KIND", help="flat or shared.")
@out_option
@click.option(
    "--repeat", type=click.IntRange(1, 100), default=1, show_default=True, help="Run each cell so many times."
)
@click.option("--resume", type=existing_directory, metavar="DIR", help="Go on with the sweep that was begun in DIR.")
@report_option
@given_services
def sweep_command(
    experiment: str, overrides: tuple[str, ...], rates: str | None, workers: str | None, limiter: str | None, out: Path,
    repeat: int, resume: Path | None, report: bool, **services: Any,
) -> None:  # fmt: skip
    """Measure how long the drain takes against what the database feels, over rates and workers, and draw it.

    The model of `loadtest plan`, calibrated on the first cell alone, stands beside what was measured. Exit code: as of a matrix.
    """
    given = given_by(services)
    chosen = load_started(resume, given) if resume else load_experiment(experiment, overrides)
    chosen = follow_given(chosen if resume else swept(chosen, rates, workers, limiter), given)
    sys.exit(hold_matrix(chosen, given, resume or start_directory(chosen, out), repeat, report, predicted=True))


def hold_matrix(
    experiment: Experiment, given: Given, directory: Path, repeat: int, report: bool, *, predicted: bool = False
) -> int:
    """Hold every cell; the exit code: 0 when each was as expected, else 1."""
    results = run_matrix(experiment, given, directory, repeat, repeatable(), console, reporting(report))
    if predicted:
        write_predictions(directory, results)
    met = sum(bool(result.met) for result in results)
    ran = sum(result.skipped is None for result in results)
    console.print(f"{met} of {ran} runs as expected · report  {draw_comparison(directory)}", soft_wrap=True)
    return 0 if met == ran else 1
