"""The rush as a worker on another machine knows it: no run directory is in reach, and the clock is CLOCK_AHEAD_MS ahead.

With DELIVERS_UNTIL_T0 set it delivers what it records until it is told T0, and nothing from then on. A Locust file for tests. The clock
must be another before anything takes `time_ns` from `time`.
"""

import os
import time
from collections.abc import Callable

TRUE_NS = time.time_ns
AHEAD_NS = int(os.environ["CLOCK_AHEAD_MS"]) * 1_000_000
time.time_ns = lambda: TRUE_NS() + AHEAD_NS

from loadtest.load.buyers.gate import Gate  # noqa: E402
from loadtest.load.crew import handout, shipping  # noqa: E402

handout.machine = lambda: "another machine"


def open_silently(gate: Gate, t0_ns: int, open_at: Callable[[Gate, int], None] = Gate.open_at) -> None:
    """The next look at what is to be shipped is the last."""
    shipping.STEP_S = 3600
    open_at(gate, t0_ns)


if os.environ.get("DELIVERS_UNTIL_T0"):
    Gate.open_at = open_silently  # type: ignore[method-assign]

from scenarios.rush import RushBuyer  # noqa: E402, F401
