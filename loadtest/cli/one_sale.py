"""The commands of one sale: hold it, judge it anew, draw its report, change its limit."""

import sys
from functools import partial
from pathlib import Path
from typing import Any

import click

from loadtest.campaign.matrix import load_started, start_directory
from loadtest.campaign.web import Page, serve
from loadtest.cli.box import show_incomplete, show_verdict
from loadtest.cli.flags import existing_directory, given_by, given_services, out_option, report_option
from loadtest.cli.many_sales import hold_matrix
from loadtest.cli.output import console, draw_if_possible, draw_report, repeatable, reporting
from loadtest.errors import UsageError
from loadtest.experiment.files import load_experiment
from loadtest.judge.verdict import conclude, read_verdict
from loadtest.record.run_dir import existing
from loadtest.sale.beforehand.fleet import PORT, Fleet
from loadtest.sale.beforehand.given_broker import follow_given
from loadtest.sale.beforehand.plan import plan
from loadtest.sale.limits import ask, checked
from loadtest.sale.progress import showing
from loadtest.sale.run import run


@click.command("run")
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
@click.option(
    "--web-name",
    "web_names",
    multiple=True,
    metavar="HOST",
    help="A name that a proxy has for that page: sale.example.com. Others than these and this machine's are refused.",
)
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
    web_names: tuple[str, ...],
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
        page = Page(web_port, web_base_path, web_login, web_names)
        serve(chosen, given, out, page, repeatable(), console, draw_if_possible, partial(show_verdict, console))
        return
    if chosen.matrix or chosen.cells:
        if fleet != Fleet():
            raise UsageError(
                "--processes and --expect-workers: a matrix runs in one generator; run its cells one by one, with --set"
            )
        sys.exit(hold_matrix(chosen, given, resume or start_directory(chosen, out), repeat, report))
    planned = plan(chosen, given, fleet)
    if invitation := fleet.invitation(chosen.scenario):
        click.echo(invitation, err=True)
    codes = []
    for _ in range(repeat):
        with showing(console) as progress:
            run_dir, verdict = run(planned, out, repeatable(), progress, reporting(report))
        show_verdict(console, verdict, run_dir.path)
        codes.append(verdict.exit_code)
    sys.exit(worst(codes))


@click.command()
@click.argument("run", type=existing_directory)
@report_option
def verify(run: Path, report: bool) -> None:
    """Judge a stored RUN anew, without services."""
    run_dir = existing(run)
    verdict = conclude(run_dir.path)
    reporting(report)(run_dir.path)
    show_verdict(console, verdict, run_dir.path)
    sys.exit(verdict.exit_code)


@click.command()
@click.argument("runs", nargs=-1, required=True, type=existing_directory)
@out_option
def report(runs: tuple[Path, ...], out: Path) -> None:
    """Render the report of a stored run anew, without judging it; of a matrix or of several RUNS, their comparison."""
    from reports.comparison.compare import compare_matrix, compare_runs

    if len(runs) > 1:
        page = compare_runs([existing(run).path for run in runs], out / "comparison.html")
        console.print(f"report  {page}")
        return
    if (runs[0] / "matrix.json").is_file():
        console.print(f"report  {compare_matrix(runs[0])}")
        return
    run_dir = existing(runs[0])
    draw_report(run_dir.path)
    if not run_dir.verdict.exists():
        show_incomplete(console, run_dir.path)
        sys.exit(3)
    show_verdict(console, read_verdict(run_dir.path), run_dir.path)


@click.command()
@click.argument("rate", type=float)
@click.argument("run", type=existing_directory, required=False)
@out_option
def limit(rate: float, run: Path | None, out: Path) -> None:
    """Change the limit of a sale in progress to RATE orders a second, as limiter.rate_per_s counts them.

    RUN is its run directory, by default the latest. The verdict holds each span of the run against the limit that held in it.
    """
    checked(rate)
    if run is None and not (out / "latest").is_dir():
        raise UsageError(f"--out {out}: no run is there; start one: loadtest run")
    change = ask(run or out / "latest", rate)
    console.print(f"{change.answered} workers hold {change.together_per_s:g}/s together")


def worst(codes: list[int]) -> int:
    """The exit code of several runs: invalid before unknown before a breached threshold before valid."""
    return next((code for code in (1, 3, 4) if code in codes), 0)
