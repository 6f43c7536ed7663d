"""The clock of the load: monotonic, and set by the wall clock once a sale. A wall clock that is stepped meanwhile moves nothing.

Everything in `loadtest.load` that is recorded, or compared with something recorded, is a time of this clock. NTP's slewing bends it as it
bends the wall clock; only steps are left out.
"""

from time import monotonic_ns, time_ns

READINGS = 5

_ahead_ns = 0


def anchor() -> None:
    """Sets this process's clock by the wall clock. Of a few readings of both, the one that took the least time counts."""
    global _ahead_ns
    readings = [(monotonic_ns(), time_ns(), monotonic_ns()) for _ in range(READINGS)]
    before, wall, after = min(readings, key=lambda reading: reading[2] - reading[0])
    _ahead_ns = wall - (before + after) // 2


def now_ns() -> int:
    """The time now, in nanoseconds since the epoch."""
    return monotonic_ns() + _ahead_ns


def stepped_ns() -> int:
    """How far the wall clock has been stepped since this clock was set; negative: back."""
    return time_ns() - now_ns()


anchor()
