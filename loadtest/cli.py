"""The command line. Each command turns its flags into options and calls one plain function."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from loadtest import __version__
from loadtest.box import show_incomplete, show_verdict
from loadtest.errors import HarnessError, RunInterrupted, UsageError
from loadtest.experiment import load_experiment
from loadtest.experiment import shipped as shipped_experiments
from loadtest.names import nearest
from loadtest.progress import showing
from loadtest.run import plan, run
from loadtest.run_dir import existing
from loadtest.stack.external import Given, without_password
from loadtest.verdict import conclude, read_verdict

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


def given_services(command: Callable[..., None]) -> Callable[..., None]:
    """The three options for services of one's own."""
    for name in ("broker", "redis", "postgres"):
        command = click.option(
            f"--{name}",
            envvar=f"LOADTEST_{name.upper()}",
            metavar="URL",
            help=f"A {name} of your own instead of the embedded one.",
        )(command)
    return command


@main.command("run")
@click.argument("experiment", default="rush")
@click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a key, such as limiter.rate_per_s=400."
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default="runs",
    show_default=True,
    help="Where runs are kept.",
)
@click.option("--repeat", type=click.IntRange(1, 100), default=1, show_default=True, help="Run so many times.")
@given_services
def run_command(
    experiment: str,
    overrides: tuple[str, ...],
    out: Path,
    repeat: int,
    postgres: str | None,
    redis: str | None,
    broker: str | None,
) -> None:
    """Run EXPERIMENT, a TOML file or the name of a shipped one, and judge it.

    Exit code: 0 valid, 1 invalid, 2 bad usage, 3 unknown, 4 valid but a threshold was breached, 70 the harness failed, 130 interrupted.
    """
    given = Given(postgres or None, redis or None, broker or None)
    planned = plan(load_experiment(experiment, overrides), given)
    codes = []
    for _ in range(repeat):
        with showing(console) as progress:
            run_dir, verdict = run(planned, out, _repeatable(given), progress)
        _report(run_dir.path)
        show_verdict(console, verdict, run_dir.path)
        codes.append(verdict.exit_code)
    sys.exit(worst(codes))


@main.command()
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
def verify(run: Path) -> None:
    """Judge a stored RUN anew, without services."""
    run_dir = existing(run)
    verdict = conclude(run_dir.path)
    _report(run_dir.path)
    show_verdict(console, verdict, run_dir.path)
    sys.exit(verdict.exit_code)


@main.command()
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
def report(run: Path) -> None:
    """Render the report of a stored RUN anew, without judging it."""
    run_dir = existing(run)
    _report(run_dir.path)
    if run_dir.verdict.exists():
        show_verdict(console, read_verdict(run_dir.path), run_dir.path)
    else:
        show_incomplete(console, run_dir.path)
        sys.exit(3)


@main.command("list")
@click.argument("kind", required=False)
def list_command(kind: str | None) -> None:
    """List what there is to choose from: experiments, checks, probes."""
    from loadtest.checks import CHECKS
    from loadtest.probes import probes

    kinds: dict[str, dict[str, str]] = {
        "experiments": dict.fromkeys(shipped_experiments(), ""),
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


def _report(run_dir: Path) -> None:
    from reports.build import build

    build(run_dir)


def _first_line(documented: object) -> str:
    return (documented.__doc__ or "").strip().partition("\n")[0]


def _repeatable(given: Given) -> list[str]:
    """The command line as it was typed, without passwords."""
    secret = {url: without_password(url) for url in (given.postgres, given.redis, given.broker) if url}
    words = ["loadtest", *sys.argv[1:]]
    for url, shown in secret.items():
        words = [word.replace(url, shown) for word in words]
    return words
