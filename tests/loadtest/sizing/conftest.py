"""A sale that is small enough to count, and its run directory."""

from collections.abc import Callable
from pathlib import Path

import pytest

from loadtest.record.history import load_history
from loadtest.record.samples import load_samples


@pytest.fixture(scope="session")
def written() -> Callable[..., Path]:
    """Writes the run directory of a history, joined; `experiment` is appended to its experiment.toml."""

    def write(told, tmp_path: Path, experiment: str = "") -> Path:
        run = told.write(tmp_path / "run")
        with (run / "experiment.toml").open("a", encoding="utf-8") as file:
            file.write(experiment)
        load_history(run)
        load_samples(run)
        return run

    return write


@pytest.fixture
def sale(history):
    """200 units at 50 rows a second from 0.2 s on, won within 0.5 s; 300 losers, told within 0.4 s. Each row costs 2 ms and frees 900 B; until all is
    enqueued, there is memory for other things."""
    told = history(200, limiter_kind="flat", configured_per_s=50.0, burst=2)
    for n in range(200):
        number = f"s-{n + 1}"
        told.buys(f"b-{n}", won=number, took=0.01, at=0.49 * n / 199).row(number, f"b-{n}", at=0.2 + n / 50)
    for n in range(300):
        told.buys(f"l-{n}", took=0.01, at=0.39 * n / 299)
    for tick in range(46):
        at = tick / 10
        rows = min(200, max(0, round((at - 0.2) * 50) + 1)) if at >= 0.2 else 0
        queued = min(200, 400 * at)
        waits = max(0, queued - rows)
        told.sample("broker", "ready", max(0, waits - 2), at).sample("broker", "unacked", min(2, waits), at)
        told.sample("redis", "memory_bytes", 1_000_000 + 900 * waits + 50_000 * (at < 0.5), at)
        told.sample("processes", "worker.cpu_s", 3 + 0.002 * rows, at).sample(
            "processes", "worker-1.cpu_s", 3 + 0.002 * rows, at
        )
        told.sample("processes", "postgres.cpu_s", 1 + 0.001 * rows, at)
    return told
