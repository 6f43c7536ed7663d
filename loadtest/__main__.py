"""The program ``loadtest``. Also what keeps the command line from being imported ends in 70, and in one line: 1 means INVALID."""

import sys

from loadtest.cli.ending import ended
from loadtest.cli.streams import keep_streams


def main() -> None:
    """Run the command line, and exit."""
    keep_streams()
    sys.exit(ended(_command_line))


def _command_line() -> None:
    from loadtest.cli.main import main as command_line

    command_line(prog_name="loadtest")


if __name__ == "__main__":
    main()
