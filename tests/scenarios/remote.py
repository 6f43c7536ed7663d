"""The rush as a worker on another machine knows it: no run directory is in reach, and the clock is CLOCK_AHEAD_MS ahead.

A Locust file for tests. The clock must be another before anything takes `time_ns` from `time`.
"""

import os
import time

TRUE_NS = time.time_ns
AHEAD_NS = int(os.environ["CLOCK_AHEAD_MS"]) * 1_000_000
time.time_ns = lambda: TRUE_NS() + AHEAD_NS

from loadtest.load import handout  # noqa: E402

handout.machine = lambda: "another machine"

from scenarios.rush import RushBuyer  # noqa: E402, F401
