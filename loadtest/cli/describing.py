"""The commands that help to describe a shop: the schema of its manifest."""

import json

import click

from loadtest.experiment.json_schema import json_schema
from loadtest.experiment.schema import Experiment
from loadtest.experiment.section import Section
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
