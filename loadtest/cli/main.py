"""The command line: ``loadtest``. The commands are in the other files of this room, one file for each group of them."""

from typing import Any

import click

from loadtest import __version__
from loadtest.cli.listing import list_command
from loadtest.cli.many_sales import certify_command, sweep_command
from loadtest.cli.one_sale import limit, report, run_command, verify
from loadtest.cli.planning import plan_command
from loadtest.errors import HarnessError, RunInterrupted
from loadtest.stack.surroundings import leave_outside


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
    leave_outside()


for command in (run_command, certify_command, verify, report, limit, plan_command, sweep_command, list_command):
    main.add_command(command)
