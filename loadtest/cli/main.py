"""The command line. Each command turns its flags into options and calls one plain function."""

import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from loadtest import __version__
from loadtest.campaign.certify import certify
from loadtest.campaign.matrix import load_started, run_matrix, start_directory
from loadtest.campaign.web import Page, serve
from loadtest.cli.box import show_incomplete, show_verdict
from loadtest.cli.flags import existing_directory, given_by, given_services, out_option, report_option
from loadtest.errors import HarnessError, RunInterrupted, UsageError
from loadtest.experiment.files import load_experiment
from loadtest.experiment.files import shipped as shipped_experiments
from loadtest.experiment.names import nearest
from loadtest.experiment.schema import Experiment
from loadtest.judge.verdict import conclude, read_verdict
from loadtest.manifest.shop import load_shop
from loadtest.record.run_dir import existing
from loadtest.sale.fleet import PORT, Fleet
from loadtest.sale.given_broker import follow_given
from loadtest.sale.limits import ask
from loadtest.sale.progress import showing
from loadtest.sale.run import plan, run
from loadtest.sizing.calibration import calibrate, merge
from loadtest.sizing.calibration import shipped as shipped_calibration
from loadtest.sizing.choice import size
from loadtest.sizing.demand import demand
from loadtest.sizing.sweep import swept, write_predictions
from loadtest.sizing.table import as_json, show
from loadtest.stack.external import Given, without_password

console = Console()


class Commands(click.Group):
    """Commands whose own errors end in one line and an exit code, never a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; turn what it raised on purpose into a message."""
        try:
            return super().invoke(ctx)
        except HarnessError as error:
            click.echo(f"loadtest: {error}", err=True)
            ctx.exit(error.exit_code)
        except RunInterrupted as error:
            click.echo(f"loadtest: {error}; the run has no verdict", err=True)
            ctx.exit(error.exit_code)


@click.group(cls=Commands)
@click.version_option(__version__)
def main() -> None:
    """Proves that a flash sale neither oversells, nor loses or leaks an order, nor floods its database."""


@main.command("run")
@click.argument("experiment", default="rush")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a key: limiter.rate_per_s=400.")
@out_option
@click.option("--repeat", type=click.IntRange(1, 100), default=1, show_default=True, help="Run so many times.")
@click.option(
    "--processes", type=click.IntRange(1, 256), default=1, show_default=True, help="Generators on this machine."
)
@click.option(
    "--expect-workers",
    type=click.IntRange(1, 10_000),
    default=None,
    metavar="N",
    help="Generators that are started elsewhere: locust -f SCENARIO --worker --master-host …; see docs/scaling.md.",
)
@click.option("--master-bind-host", default="127.0.0.1", show_default=True, help="Address on which they find this run.")
@click.option("--master-bind-port", type=click.IntRange(1, 65_535), default=PORT, show_default=True, help="Its port.")
@click.option("--resume", type=existing_directory, metavar="DIR", help="Go on with the matrix that was begun in DIR.")
@click.option("--web", is_flag=True, help="Hold sales from a web page, as many as you like, until Ctrl-C.")
@click.option("--web-port", type=click.IntRange(1, 65535), default=8089, show_default=True, help="Port of that page.")
@click.option("--web-base-path", default="", metavar="PATH", help="Path of that page behind a proxy, such as /locust.")
@click.option("--web-login", is_flag=True, help="Locust's own login before every page; see docs/web.md.")
@report_option
@given_services
def run_command(
    experiment: str,
    overrides: tuple[str, ...],
    out: Path,
    repeat: int,
    processes: int,
    expect_workers: int | None,
    master_bind_host: str,
    master_bind_port: int,
    resume: Path | None,
    web: bool,
    web_port: int,
    web_base_path: str,
    web_login: bool,
    report: bool,
    **services: Any,
) -> None:
    """Run EXPERIMENT, a TOML file or the name of a shipped one, and judge it.

    One with a matrix runs every cell, and compares them. With --web, nothing is sold until the page asks for it.

    Exit code: 0 valid, or every cell of a matrix as expected; 1 invalid, or a cell was not as expected; 2 bad usage; 3 unknown;
    4 valid but a threshold was breached; 70 the harness failed; 130 interrupted.
    """
    given = given_by(services)
    chosen = load_started(resume, given) if resume else load_experiment(experiment, overrides)
    chosen = follow_given(chosen, given)
    fleet = Fleet(processes, expect_workers or 0, master_bind_host, master_bind_port)
    if web:
        if fleet != Fleet():
            raise UsageError(
                "--web: its buyers run in the page's own process; leave --processes, --expect-workers and --master-… away"
            )
        if chosen.matrix or chosen.cells or repeat > 1:
            raise UsageError("--web: holds one sale after the other; leave the matrix, --resume and --repeat away")
        if not report:
            raise UsageError("--web: its page leads to the report of each sale; leave --no-report away")
        page = Page(web_port, web_base_path, web_login)
        serve(chosen, given, out, page, _repeatable(given), console, _report, partial(show_verdict, console))
        return
    if chosen.matrix or chosen.cells:
        if fleet != Fleet():
            raise UsageError(
                "--processes and --expect-workers: a matrix runs in one generator; run its cells one by one, with --set"
            )
        sys.exit(_matrix(chosen, given, resume or start_directory(chosen, out), repeat, report))
    planned = plan(chosen, given, fleet)
    if invitation := fleet.invitation(chosen.scenario):
        click.echo(invitation, err=True)
    codes = []
    for _ in range(repeat):
        with showing(console) as progress:
            run_dir, verdict = run(planned, out, _repeatable(given), progress)
        _reporting(report)(run_dir.path)
        show_verdict(console, verdict, run_dir.path)
        codes.append(verdict.exit_code)
    sys.exit(worst(codes))


@main.command("certify")
@click.argument("experiment", default="rush")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a key of the experiment.")
@click.option("--only", multiple=True, metavar="CHECK", help="Only what must trip this check; certifies nothing.")
@out_option
@report_option
@given_services
def certify_command(
    experiment: str, overrides: tuple[str, ...], only: tuple[str, ...], out: Path, report: bool, **services: Any
) -> None:
    """Show that the checks can fail: run every control and mutant of EXPERIMENT's shop, and every honest twin.

    Exit code: 0 when each tripped its named check and nothing honest tripped any, else 1.
    """
    given = given_by(services)
    base = follow_given(load_experiment(experiment, overrides), given)
    directory, good = certify(base, given, out, _repeatable(given), console, _reporting(report), only)
    console.print(f"runs    {directory}", style="dim", highlight=False)
    sys.exit(0 if good else 1)


@main.command()
@click.argument("run", type=existing_directory)
@report_option
def verify(run: Path, report: bool) -> None:
    """Judge a stored RUN anew, without services."""
    run_dir = existing(run)
    verdict = conclude(run_dir.path)
    _reporting(report)(run_dir.path)
    show_verdict(console, verdict, run_dir.path)
    sys.exit(verdict.exit_code)


@main.command()
@click.argument("runs", nargs=-1, required=True, type=existing_directory)
@out_option
def report(runs: tuple[Path, ...], out: Path) -> None:
    """Render the report of a stored run anew, without judging it; of a matrix or of several RUNS, their comparison."""
    from reports.comparison.compare import compare_matrix, compare_runs

    if len(runs) > 1:
        page = compare_runs([existing(run).path for run in runs], out / "comparison.html")
        console.print(f"report  {page}", highlight=False)
        return
    if (runs[0] / "matrix.json").is_file():
        console.print(f"report  {compare_matrix(runs[0])}", highlight=False)
        return
    run_dir = existing(runs[0])
    _report(run_dir.path)
    if not run_dir.verdict.exists():
        show_incomplete(console, run_dir.path)
        sys.exit(3)
    show_verdict(console, read_verdict(run_dir.path), run_dir.path)


@main.command()
@click.argument("rate", type=click.FloatRange(min=0, min_open=True))
@click.argument("run", type=existing_directory, required=False)
@out_option
def limit(rate: float, run: Path | None, out: Path) -> None:
    """Change the limit of a sale in progress to RATE orders a second, as limiter.rate_per_s counts them.

    RUN is its run directory, by default the latest. The verdict holds each span of the run against the limit that held in it.
    """
    if run is None and not (out / "latest").is_dir():
        raise UsageError(f"--out {out}: no run is there; start one: loadtest run")
    change = ask(run or out / "latest", rate)
    console.print(f"{change.answered} workers hold {change.together_per_s:g}/s together", highlight=False)


@main.command("plan")
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


@main.command("sweep")
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
    sys.exit(_matrix(chosen, given, resume or start_directory(chosen, out), repeat, report, predicted=True))


@main.command("list")
@click.argument("kind", required=False)
def list_command(kind: str | None) -> None:
    """List what there is to choose from: experiments, schemes, controls, mutants, faults, checks, probes."""
    from loadtest.faults import faults
    from loadtest.judge.checks import CHECKS
    from loadtest.probes import probes

    shop, _ = load_shop(Experiment())
    kinds: dict[str, dict[str, str]] = {
        "experiments": dict.fromkeys(shipped_experiments(), ""),
        "schemes": {name: f"dispatch {' or '.join(s.dispatch)}" for name, s in shop.schemes.items()},
        "controls": {name: f"{proof.what} → {' or '.join(proof.trips)}" for name, proof in shop.controls.items()},
        "mutants": {name: f"{proof.what} → {' or '.join(proof.trips)}" for name, proof in shop.mutants.items()},
        "faults": {name: _first_line(fault) for name, fault in faults().items()},
        "checks": {name: check.sentence for name, check in CHECKS.items()},
        "probes": {name: _first_line(probe) for name, probe in probes().items()},
    }
    if kind is not None and kind not in kinds:
        raise UsageError(f"list {kind!r}: no such kind; {nearest(kind, kinds)}")
    for name in [kind] if kind else kinds:
        console.print(f"[bold]{name}[/bold]")
        for member, sentence in kinds[name].items():
            console.print(f"  {member:<18} {sentence}", highlight=False)


def worst(codes: list[int]) -> int:
    """The exit code of several runs: invalid before unknown before a breached threshold before valid."""
    return next((code for code in (1, 3, 4) if code in codes), 0)


def _matrix(
    experiment: Experiment, given: Given, directory: Path, repeat: int, report: bool, *, predicted: bool = False
) -> int:
    from reports.comparison.compare import compare_matrix

    results = run_matrix(experiment, given, directory, repeat, _repeatable(given), console, _reporting(report))
    if predicted:
        write_predictions(directory, results)
    met = sum(bool(result.met) for result in results)
    ran = sum(result.skipped is None for result in results)
    console.print(f"{met} of {ran} runs as expected · report  {compare_matrix(directory)}", highlight=False)
    return 0 if met == ran else 1


def _reporting(wanted: bool) -> Callable[[Path], None]:
    """What is done to a run directory once it is judged."""
    return _report if wanted else _no_report


def _report(run_dir: Path) -> None:
    from reports.run.build import build

    build(run_dir)


def _no_report(run_dir: Path) -> None:
    """Of a run that is judged alone."""
    (run_dir / "report.html").unlink(missing_ok=True)  # what it said may no longer hold


def _first_line(documented: object) -> str:
    return (documented.__doc__ or "").strip().partition("\n")[0]


def _repeatable(given: Given) -> list[str]:
    """The command line as it was typed, without passwords."""
    secret = {url: without_password(url) for url in given.all}
    words = ["loadtest", *sys.argv[1:]]
    for url, shown in secret.items():
        words = [word.replace(url, shown) for word in words]
    return words
