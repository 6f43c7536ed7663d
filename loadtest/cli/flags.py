"""The options that several commands share, and what they become."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from loadtest.stack.external import Given, checked, plainly

existing_directory = click.Path(exists=True, file_okay=False, path_type=Path)
out_option = click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default="runs",
    show_default=True,
    help="Where runs are kept.",
)

report_option = click.option(
    "--report/--no-report", default=True, show_default=True,
    help="Draw a report of each run, which takes a second or two; `loadtest report` draws it later.",
)  # fmt: skip


def given_services(command: Callable[..., None]) -> Callable[..., None]:
    """The options for services of one's own."""
    own = {name: f"A {name} of your own instead of the embedded one." for name in ("redis", "postgres")}
    command = click.option(
        "--mysql",
        envvar="LOADTEST_MYSQL",
        metavar="URL",
        help="A MySQL or MariaDB, for a shop whose manifest asks for one.",
    )(command)
    command = click.option(
        "--broker-admin",
        envvar="LOADTEST_BROKER_ADMIN",
        metavar="URL",
        help="Its management: http://user:password@host:15672.",
    )(command)
    command = click.option(
        "--broker", "brokers", multiple=True, envvar="LOADTEST_BROKER", metavar="URL",
        help="A broker of your own, redis:// or amqp://; for a matrix over both, one of each.",
    )(command)  # fmt: skip
    for name, text in own.items():
        command = click.option(f"--{name}", envvar=f"LOADTEST_{name.upper()}", metavar="URL", help=text)(command)
    return command


def given_by(options: dict[str, Any]) -> Given:
    """The services that the options of `given_services` name. Raises UsageError for what is no URL."""
    brokers = tuple(plainly(checked("broker", url)) for url in options.pop("brokers") if url)
    named = {name: plainly(checked(name.replace("_", "-"), url)) if url else None for name, url in options.items()}
    return Given(brokers=brokers, **named)
