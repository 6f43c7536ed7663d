"""How every command ends: with an exit code, and one line for what went wrong.

No traceback reaches the terminal, and no failure ends in 1, which means INVALID; Python itself would end an uncaught exception so.
"""

import sys
from collections.abc import Callable
from typing import Any

import click

from loadtest.errors import HarnessError, RunInterrupted, unexpected

FAILED = 70
INTERRUPTED = 130


def ended(command: Callable[[], Any]) -> int:
    """Run `command`, say what it raised, and give the exit code. What it hands to ``sys.exit`` or ``ctx.exit`` passes through."""
    try:
        command()
    except click.exceptions.Exit:
        raise
    except click.ClickException as error:
        error.show()
        return 2
    except RunInterrupted as error:
        say(f"{error}; {error.left}")
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        say("interrupted")
        return INTERRUPTED
    except HarnessError as error:
        say(str(error))
        return error.exit_code
    except Exception as error:
        say(str(unexpected(error)))
        return FAILED
    return 0


def say(text: str) -> None:
    """Print a message of the harness itself."""
    print(f"loadtest: {text}", file=sys.stderr, flush=True)
