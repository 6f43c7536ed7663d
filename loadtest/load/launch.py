"""Locust for the harness: ``python -P -m loadtest.load.launch [argument…]``, with nothing from around it (see `seclusion`).

Without arguments it imports Locust and then waits until it is told what to do. The harness starts it so while the shop starts, so that
the import, most of a second, costs no time of the run. Standard input takes one line: Locust's arguments as a JSON list. Where it
ends without one, the harness is gone or gave up, and so does this process.
"""

import json
import sys

from loadtest.load.seclusion import forget_variables, seclude


def main() -> None:
    """Wait for the arguments where there are none, and be Locust."""
    forget_variables()
    from locust import main as locust

    # What the scenarios import. Nothing is registered before a scenario calls `install`.
    from loadtest.load import plugin  # noqa: F401
    from loadtest.load.buyers import fast_buyer  # noqa: F401

    seclude()
    arguments = sys.argv[1:] or _told()
    if arguments:
        sys.argv = ["locust", *arguments]
        locust.main()


def _told() -> list[str]:
    """The arguments from standard input; none where it ends without them."""
    line = sys.stdin.readline()
    told: list[str] = json.loads(line) if line else []
    return told


if __name__ == "__main__":
    main()
