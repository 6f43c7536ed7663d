"""The command line: ``loadtest``. The commands are in the other files of this room, one file for each group of them."""

import sys
from functools import partial
from typing import Any

import click

from loadtest import __version__
from loadtest.cli.describing import check_command, init_command, schema_command
from loadtest.cli.ending import ended
from loadtest.cli.listing import list_command
from loadtest.cli.many_sales import certify_command, sweep_command
from loadtest.cli.one_sale import limit, report, run_command, verify
from loadtest.cli.planning import plan_command
from loadtest.stack.surroundings import leave_outside


class Commands(click.Group):
    """Commands that end in an exit code of their own and one line, whatever they raise; see `ended`."""

    def main(self, *args: Any, standalone_mode: bool = True, **extra: Any) -> Any:
        """Parse the command line, run the command, and exit."""
        command = partial(super().main, *args, standalone_mode=False, **extra)
        if not standalone_mode:
            return command()
        codes: list[int] = []
        failed = ended(lambda: codes.append(command() or 0))
        sys.exit(failed or codes[0])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. What it raises is dealt with here, where click has not yet made something else of it."""
        ctx.exit(ended(partial(super().invoke, ctx)))


@click.group(cls=Commands)
@click.version_option(__version__)
def main() -> None:
    """Proves that a flash sale neither oversells, nor loses or leaks an order, nor floods its database."""
    leave_outside()


COMMANDS = (
    run_command, certify_command, verify, report, limit, plan_command, sweep_command, list_command, schema_command, init_command, check_command,
)  # fmt: skip
for command in COMMANDS:
    main.add_command(command)
