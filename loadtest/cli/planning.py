"""The command that sizes a sale which has not been held."""

import json
import sys
from pathlib import Path

import click

from loadtest.cli.output import console
from loadtest.sizing.calibration import calibrate, merge
from loadtest.sizing.calibration import shipped as shipped_calibration
from loadtest.sizing.choice import size
from loadtest.sizing.demand import demand
from loadtest.sizing.table import as_json, show


@click.command("plan")
@click.option("--stock", metavar="UNITS", help="Units for sale.")
@click.option("--buyers", metavar="COUNT", help="Buyers, who all come at T0.")
@click.option("--db-budget", metavar="ROWS/s", help="Rows that the database may get in any second: 300/s.")
@click.option("--answer-within", metavar="TIME", help="By when the last buyer is to know: 60s, 2min.")
@click.option(
    "--from",
    "runs",
    multiple=True,
    metavar="RUN",
    help="A run to learn from; of several, each tells what the others do not.",
)
@click.option("--broker", metavar="NAME", help="redis or rabbitmq, by default that of the run.")
@click.option("--json", "json_", is_flag=True, help="For programs.")
def plan_command(
    stock: str | None, buyers: str | None, db_budget: str | None, answer_within: str | None, runs: tuple[str, ...],
    broker: str | None, json_: bool,
) -> None:  # fmt: skip
    """Say which limiter, how many workers and what to expect of a sale that has not been held.

    Without --from it counts on a machine like the one that the package was measured on. Exit code: 0 it fits; 1 what is asked for contradicts
    itself, and what would fit is said; 2 bad usage.
    """
    asked = demand(stock, buyers, db_budget, answer_within, broker)
    calibration = merge([calibrate(Path(run)) for run in runs]) if runs else shipped_calibration()
    sizing = size(asked, calibration)
    if json_:
        click.echo(json.dumps(as_json(sizing), indent=1, ensure_ascii=False))
    else:
        show(console, sizing)
    sys.exit(0 if sizing.fits else 1)
