"""Writes the generator's samples of itself, and T0, as lines of the run directory's ``samples/*.jsonl``."""

import json
from collections.abc import Callable
from pathlib import Path

import gevent

from loadtest.load.now import now_ns


class Samples:
    """Appends what `read` returns (metric → value) to a samples file, `hz` times a second, until closed.

    `now_ns` returns the time in nanoseconds by the master's clock.
    """

    def __init__(
        self, path: Path, hz: float, read: Callable[[], dict[str, float]], now_ns: Callable[[], int] = now_ns
    ) -> None:
        self._file = path.open("a", encoding="utf-8", buffering=1)
        self._read = read
        self._now_ns = now_ns
        self._greenlet = gevent.spawn(self._run, 1 / hz)

    def close(self) -> None:
        """Takes a last reading and closes the file."""
        self._greenlet.kill()
        self._sample()
        self._file.close()

    def _run(self, step_s: float) -> None:
        while True:
            self._sample()
            gevent.sleep(step_s)

    def _sample(self) -> None:
        now_ns = self._now_ns()
        self._file.write("".join(line(now_ns, "generator", *reading) for reading in self._read().items()))


def write_t0(path: Path, t0_ns: int) -> None:
    """Appends the sample ``gate/t0``, whose time is T0."""
    with path.open("a", encoding="utf-8") as file:
        file.write(line(t0_ns, "gate", "t0", 1))


def line(at_ns: int, probe: str, metric: str, value: float) -> str:
    """One sample as a line of JSON; `at_ns` is in nanoseconds since the epoch."""
    return json.dumps({"t": at_ns, "p": probe, "m": metric, "v": value}) + "\n"
