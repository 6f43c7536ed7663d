"""Locust for one sale: ``python -m loadtest.load.launch`` imports it, then waits until it is told what to do.

The harness starts this while the shop starts, so that the import, most of a second, costs no time of the run. Standard input takes
one line: Locust's arguments as a JSON list. Where it ends without one, the harness is gone or gave up, and so does this process.
"""

import json
import sys

from locust import main as locust

# What the scenarios import. Nothing is registered before a scenario calls `install`.
from loadtest.load import plugin  # noqa: F401
from loadtest.load.buyers import fast_buyer  # noqa: F401


def main() -> None:
    """Wait for the arguments, and be Locust."""
    line = sys.stdin.readline()
    if not line:
        return
    sys.argv = ["locust", *json.loads(line)]
    locust.main()


if __name__ == "__main__":
    main()
