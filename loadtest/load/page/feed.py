"""The points that the page draws, in the order in which they came, so that the page can ask for the new ones only."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import gevent
from gevent.lock import BoundedSemaphore

from loadtest.load.now import now_ns
from loadtest.record.tail import Tail

# Metrics that are drawn, and their labels.
SHOWN = {
    "generator.sent": "requests sent", "generator.answered": "requests answered", "generator.waiting": "buyers at the gate",
    "redis.tokens": "tokens left", "broker.ready": "orders queued", "broker.unacked": "orders with a worker",
    "truth.rows": "rows stored", "postgres.write_xids": "writing transactions, ever",
    "mysql.write_xids": "writing transactions, ever",
}  # fmt: skip
# Least distance of two points of a metric, as a share of the time so far: bounds the points of a long sale.
APART = 1 / 1500
STEP_S = 0.25
BREATH = 100


@dataclass
class Feed:
    """What is known of one sale so far. This base takes in nothing by itself.

    `points` are (metric, milliseconds since the epoch, value); `latest` is the newest value of each metric; `phases` is when each
    phase began, and `t0_ms` is T0, both in milliseconds since the epoch.
    """

    points: list[tuple[str, float, float]] = field(default_factory=list)
    latest: dict[str, float] = field(default_factory=dict)
    phases: dict[str, float] = field(default_factory=dict)
    t0_ms: float | None = None
    _kept_ms: dict[str, float] = field(default_factory=dict)

    def refresh(self) -> None:
        """Takes in what is new."""

    def close(self) -> None:
        """Stops taking anything in."""

    def note(self, metric: str, at_ms: float, value: float) -> None:
        """Takes in one point; it is kept for drawing unless it is too close to the one before."""
        self.latest[metric] = value
        length_ms = at_ms - self.points[0][1] if self.points else 0
        if at_ms - self._kept_ms.get(metric, 0) >= length_ms * APART:
            self._kept_ms[metric] = at_ms
            self.points.append((metric, at_ms, value))


class RunFeed(Feed):
    """Reads the samples that probes and generators write into a run directory."""

    def __init__(self, run_dir: Path) -> None:
        super().__init__()
        self.run_dir = run_dir
        self._tail = Tail(run_dir / "samples")
        self._shards: dict[str, dict[str, float]] = {}
        self._one_reader = BoundedSemaphore()

    def refresh(self) -> None:
        """Reads what was written since the last time. Yields every BREATH lines: the buyers run in this process too."""
        with self._one_reader:
            for count, (shard, sample) in enumerate(self._tail.lines(), start=1):
                self._take(shard, sample["p"], sample["m"], sample["t"] / 1e6, sample["v"])
                if not count % BREATH:
                    gevent.sleep(0)

    def _take(self, shard: str, probe: str, metric: str, at_ms: float, value: float) -> None:
        name = f"{probe}.{metric}"
        if name == "gate.t0":
            self.t0_ms = min(at_ms, self.t0_ms or at_ms)
        elif probe == "run" and metric.startswith("phase."):
            self.phases[metric.removeprefix("phase.")] = at_ms
        elif name in SHOWN:
            # Each generator samples its own count; the total is drawn.
            of_all = self._shards.setdefault(name, {})
            of_all[shard] = value
            self.note(name, at_ms, sum(of_all.values()))


class LocustFeed(Feed):
    """What is known without the harness: what `read` returns (metric → value) every STEP_S, and T0."""

    def __init__(self, read: Callable[[], Mapping[str, float]], t0_ns: Callable[[], int | None]) -> None:
        super().__init__()
        self._read, self._t0_ns = read, t0_ns
        self._greenlet = gevent.spawn(self._run)

    def close(self) -> None:
        """Stops taking anything in."""
        self._greenlet.kill(block=False)

    def _run(self) -> None:
        while True:
            if at_ns := self._t0_ns():
                self.t0_ms = at_ns / 1e6
            for metric, value in self._read().items():
                self.note(metric, now_ns() / 1e6, value)
            gevent.sleep(STEP_S)
