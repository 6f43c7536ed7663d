"""Measures how long the machine itself stalled, so that tests of rates and times can leave that time out.

The host of a virtual machine may withhold a core for tenths of a second, and everything on that core stands still. `watching` pins a small
process to each core, which sleeps BEAT_S at a time and writes down every gap longer than LATE_S between two wake-ups.
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
    """The stalls seen so far by the watching processes, whose files are in the directory `seen`. Times are those of `time.time`."""

    def __init__(self, seen: Path) -> None:
        self._seen = seen

    def all(self) -> list[tuple[float, float]]:
        """The stalls of all cores as (start, end), ascending."""
        time.sleep(4 * BEAT_S)  # so that a stall that ends just now is included
        lines = [
            line.split() for path in self._seen.iterdir() for line in path.read_text(encoding="utf-8").splitlines()
        ]
        return sorted((float(began), float(ended)) for began, ended in lines)

    def within(self, start: float, end: float) -> float:
        """Seconds between `start` and `end` during which at least one core stalled."""
        lost, counted = 0.0, start
        for began, ended in self.all():
            lost += max(0.0, min(ended, end) - max(began, counted))
            counted = max(counted, ended)
        return lost

    def rate(self, times: Sequence[float], first: int = 1) -> float:
        """Events a second, stalls left out. `times` has each event's, ascending; the `first` ones came together, start the clock, and are not counted."""
        start, end = times[0], times[-1]
        return (len(times) - first) / (end - start - self.within(start, end))


@contextmanager
def watching(directory: Path) -> Iterator[Stalls]:
    """Watch each core that this process may use, until the end of the block. The watching processes write to `directory`, which must be empty."""
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
