"""The rush on a machine whose wall clock is stepped by STEP_MS, STEP_AFTER_S seconds after T0 was announced. A Locust file for tests.

The clock must be another before anything takes `time_ns` from `time`.
"""

import os
import time

import gevent

TRUE_NS = time.time_ns
moved_ns = 0
time.time_ns = lambda: TRUE_NS() + moved_ns
time.time = lambda: time.time_ns() / 1e9

from loadtest.load.buyers.gate import Gate  # noqa: E402

open_at = Gate.open_at


def step() -> None:
    """Somebody sets the clock."""
    global moved_ns
    moved_ns = int(os.environ["STEP_MS"]) * 1_000_000


def open_and_step(gate: Gate, t0_ns: int) -> None:
    """The gate opens as ever."""
    gevent.spawn_later(float(os.environ["STEP_AFTER_S"]), step)
    open_at(gate, t0_ns)


Gate.open_at = open_and_step  # type: ignore[method-assign]

from scenarios.rush import RushBuyer  # noqa: E402, F401
