"""How long the machine itself stood still: a rate, or a moment, is asked only of the time that there was.

A virtual machine loses a core now and then, for tenths of a second, and all that runs there with it. A watch on each core, which sleeps
and looks at the clock, loses the same time, and knows it.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

BEAT_S, LATE_S = 0.005, 0.03
WATCH = f"""
import os, sys, time
os.sched_setaffinity(0, {{int(sys.argv[1])}})
with open(sys.argv[2], "w") as seen:
    print("0 0", file=seen, flush=True)
    before = time.time()
    while True:
        time.sleep({BEAT_S})
        now = time.time()
        if now - before > {LATE_S}:
            print(before, now, file=seen, flush=True)
        before = now
"""


class Stalls:
    """What the watches, whose files are in a directory, have seen since they were started. Times are those of `time.time`."""

    def __init__(self, seen: Path) -> None:
        self._seen = seen

    def all(self) -> list[tuple[float, float]]:
        """From when to when a core stood still, ascending."""
        time.sleep(4 * BEAT_S)  # one that ends only now is told as well
        lines = [line.split() for path in self._seen.iterdir() for line in path.read_text().splitlines()]
        return sorted((float(began), float(ended)) for began, ended in lines)

    def within(self, start: float, end: float) -> float:
        """In how many of the seconds between two moments some core stood still."""
        lost, counted = 0.0, start
        for began, ended in self.all():
            lost += max(0.0, min(ended, end) - max(began, counted))
            counted = max(counted, ended)
        return lost

    def rate(self, times: Sequence[float], first: int = 1) -> float:
        """Things a second, of which `times` has each, ascending, in the time that there was. The `first` came together, and begin it."""
        start, end = times[0], times[-1]
        return (len(times) - first) / (end - start - self.within(start, end))


@contextmanager
def watching(directory: Path) -> Iterator[Stalls]:
    """A watch on each core that this process may use, until the end of the block."""
    cores = sorted(os.sched_getaffinity(0))
    watches = [
        subprocess.Popen([sys.executable, "-S", "-c", WATCH, str(core), str(directory / f"{core}")]) for core in cores
    ]
    try:
        while sum(path.stat().st_size > 0 for path in directory.iterdir()) < len(cores):
            assert all(watch.poll() is None for watch in watches)
            time.sleep(BEAT_S)
        yield Stalls(directory)
    finally:
        for watch in watches:
            watch.kill()
            watch.wait()
