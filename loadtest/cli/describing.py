"""The commands that help to describe a shop: the schema of its manifest, a first draft of it, and a rehearsal with it."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import click

from loadtest.cli.flags import given_by, given_services
from loadtest.cli.output import console
from loadtest.drafting.placing import draft_text, name_of, place, templates
from loadtest.errors import UsageError
from loadtest.experiment.json_schema import json_schema
from loadtest.experiment.schema import Experiment
from loadtest.experiment.section import Section
from loadtest.manifest.marks import MARK
from loadtest.manifest.shop import Shop
from loadtest.rehearsal.small import names_shop, small_experiment
from loadtest.rehearsal.story import rehearse
from loadtest.rehearsal.telling import Telling
from loadtest.sale.beforehand.given_broker import follow_given
from loadtest.sale.interrupt import interruptible

SCHEMAS: dict[str, tuple[type[Section], str]] = {
    "manifest": (Shop, "A manifest of loadtest: what a shop says of itself"),
    "experiment": (Experiment, "An experiment of loadtest: one sale to run"),
}


@click.command("schema")
@click.argument("kind", type=click.Choice(list(SCHEMAS)), default="manifest")
def schema_command(kind: str) -> None:
    """Print the JSON Schema of a manifest or of an experiment, for editors that complete and check TOML.

    A file names it in its first line: #:schema FILE
    """
    click.echo(json.dumps(json_schema(*SCHEMAS[kind]), indent=2, ensure_ascii=False))


@click.command("init")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), default="shop.toml")
@click.option(
    "--curl",
    metavar="LINE",
    help="The purchase, as the browser copies it: 'curl …', in quotes of its own; - reads it from standard input.",
)
@click.option("--har", metavar="FILE", help="A recording of the browser in which you log in, buy, and see your order.")
@click.option(
    "--openapi", metavar="URL|FILE", help="The shop's OpenAPI document, in JSON: a file, or an address of this machine."
)
@click.option("--template", metavar="NAME", help=f"A shop of a known shape: {', '.join(templates())}.")
def init_command(file: Path, **sources: str | None) -> None:
    """Draft a manifest into FILE, from what there is: a curl line, a recording, an API document, or a template.

    What only you know is marked FILL-IN. Secrets are not written. Nothing is written over.
    """
    given = {kind: source for kind, source in sources.items() if source}
    if len(given) != 1:
        options = ", ".join(f"--{kind}" for kind in sources)
        raise UsageError(
            f"init: expected one of {options}, found {' and '.join(f'--{kind}' for kind in given) or 'none'}"
        )
    ((kind, source),) = given.items()
    if (kind, source) == ("curl", "-"):
        source = sys.stdin.read()
    text = draft_text(kind, source, name_of(file))
    place(file, text, json_schema(*SCHEMAS["manifest"]))
    console.print(f"{file} is written.", style="green")
    marked = [
        (n, line)
        for n, line in enumerate(text.splitlines(), 1)
        if MARK in line.partition(" #")[0] and not line.startswith("#")
    ]
    if marked:
        console.print("Only you know what belongs into these lines:")
    for n, line in marked:
        console.print(f"  line {n:>3}  {line}", soft_wrap=True)
    console.print(f"{'Then try' if marked else 'Try'} it out with one buyer, which takes seconds:")
    console.print(f"  loadtest check {file}", style="bold")


@click.command("check")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a key of the experiment: stock=5."
)
@given_services
def check_command(file: Path, overrides: tuple[str, ...], **services: Any) -> None:
    """Try FILE out, a manifest or an experiment: a few buyers, one after the other, buy what there is, and every step is shown.

    It takes seconds, and starts and stops what a sale would. Exit code: 0 the manifest is sound; 2 it is not.
    """
    begun = time.monotonic()
    given = given_by(services)
    experiment = follow_given(small_experiment(file, overrides), given)
    telling = Telling(console)
    with interruptible():
        sound = rehearse(experiment, given, telling)
    console.print()
    given_too = "".join(f" {option}" for option in given.named())
    next_run = (
        f"loadtest run {file}"
        if names_shop(file)
        else f"loadtest run --set shop={file} --set stock=200 --set buyers=1000"
    )
    tell_end(telling, file, sound, time.monotonic() - begun, f"{next_run}{given_too}")
    sys.exit(0 if sound else UsageError.exit_code)


def tell_end(telling: Telling, file: Path, sound: bool, took_s: float, next_run: str) -> None:
    """The last lines: what came of it, and what is next."""
    odd = f", {telling.odd_lines} to look at" if telling.odd_lines else ""
    if sound:
        console.print(
            f"{file} is sound: {telling.lines} lines{odd}, {took_s:.0f} s. Hold a sale:",
            style="bold green",
            soft_wrap=True,
        )
        console.print(f"  {next_run}", soft_wrap=True)
        return
    console.print(
        f"{file} is not sound yet: {telling.wrong_lines} of {telling.lines} lines are wrong{odd}, {took_s:.0f} s. First:",
        style="bold red",
        soft_wrap=True,
    )
    console.print(f"  {telling.remedies[0]}", soft_wrap=True)
