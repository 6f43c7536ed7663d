"""The commands that help to describe a shop: the schema of its manifest, and a first draft of it."""

import json
import sys
from pathlib import Path

import click

from loadtest.cli.output import console
from loadtest.drafting.placing import draft_text, name_of, place, templates
from loadtest.errors import UsageError
from loadtest.experiment.json_schema import json_schema
from loadtest.experiment.schema import Experiment
from loadtest.experiment.section import Section
from loadtest.manifest.marks import MARK
from loadtest.manifest.shop import Shop

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
