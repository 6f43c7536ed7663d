"""The program ``loadtest``. Also what keeps the command line from being imported ends in 70, and in one line: 1 means INVALID."""

import sys

INTERRUPTED = 130


def main() -> None:
    """Run the command line, and exit."""
    try:
        code = _run()
    except KeyboardInterrupt:  # while `ended`, which says so everywhere else, was itself imported
        print("loadtest: interrupted", file=sys.stderr)
        code = INTERRUPTED
    sys.exit(code)


def _run() -> int:
    from loadtest.cli.ending import ended
    from loadtest.cli.streams import keep_streams

    keep_streams()
    return ended(_command_line)


def _command_line() -> None:
    from loadtest.cli.main import main as command_line

    command_line(prog_name="loadtest")


if __name__ == "__main__":
    main()
