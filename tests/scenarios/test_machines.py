"""Generators on other machines: behind 50 ms of wire each way, with clocks of their own, and without the run directory."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.needs import listens
from tests.stalls import Stalls

from .conftest import ROOT, free_port
from .machines import Machines, Wire, machines

WIRE_S = 0.05
BUYERS = 2000
# The second machine's clock is so far ahead; whoever believed it would fire as much too early.
AHEAD_MS = 2500


class Sale:
    """A run of the harness that waits for two workers, and the workers."""

    def __init__(self, where: Machines, directory: Path, silent: int | None) -> None:
        self._where = where
        self._silent = silent
        self._directory = directory
        self.processes: list[subprocess.Popen[str]] = []
        self.workers: list[subprocess.Popen[str]] = []

    def start(self) -> None:
        manifest = (ROOT / "target/shop.toml").read_text(encoding="utf-8")
        (self._directory / "shop.toml").write_text(manifest.replace("127.0.0.1", self._where.here), encoding="utf-8")
        port = free_port()
        # Where a machine is to die there are more units than the other one has buyers. They take long enough for their rate to be judged: it
        # is one that a slow machine can hold, and a moment that it stands still is made up.
        sold = (
            ("stock=200", "limiter.rate_per_s=400", "arrivals.poll_s=0.3")
            if self._silent is None
            else ("stock=1200", "limiter.rate_per_s=150", "limiter.burst=60", "arrivals.poll_s=2")
        )
        settings = (f"shop={self._directory / 'shop.toml'}", f"buyers={BUYERS}", *sold)
        sets = [part for setting in settings for part in ("--set", setting)]
        out = ["--out", str(self._directory), "--expect-workers", "2", "--master-bind-port", str(port)]
        self.run = self._start([sys.executable, "-u", "-m", "loadtest", "run", "--no-report", *sets, *out])
        self._wait_for(lambda: listens(port))
        self._wire = Wire(self._where.here, port, WIRE_S)
        for number, prefix in enumerate(self._where.prefixes):
            command = [*prefix, sys.executable, "-m", "locust", "-f", "tests/scenarios/remote.py", "--worker"]
            master = ["--master-host", self._where.here, "--master-port", str(self._wire.port)]
            settings = {"CLOCK_AHEAD_MS": str(AHEAD_MS * number), "TMPDIR": str(self._directory)}
            if number == self._silent:
                settings["DELIVERS_UNTIL_T0"] = "yes"
            self.workers.append(self._start([*command, *master], **settings))
            self._wait_for(lambda n=number: f"index {n}) reported as ready" in self.generator_log)  # type: ignore[misc]

    def wait_for_claims(self, count: int) -> None:
        """Until so many units are promised, as the sampler sees it."""
        self._wait_for(lambda: bool(seen := self.tokens) and max(seen) - seen[-1] >= count)

    @property
    def tokens(self) -> list[float]:
        samples = self.path / "samples/sampler.jsonl"
        whole = samples.read_text(encoding="utf-8").rpartition("\n")[0].splitlines() if samples.exists() else []
        return [each["v"] for each in map(json.loads, whole) if (each["p"], each["m"]) == ("redis", "tokens")]

    def verdict(self) -> dict[str, Any]:
        self.output, _ = self.run.communicate(timeout=60)
        assert (self.path / "verdict.json").exists(), self.output
        loaded: dict[str, Any] = json.loads((self.path / "verdict.json").read_text(encoding="utf-8"))
        return loaded

    @property
    def path(self) -> Path:
        return self._directory / "latest"

    @property
    def generator_log(self) -> str:
        log = self.path / "logs/locust.log"
        return log.read_text(encoding="utf-8") if log.exists() else ""

    @property
    def generators(self) -> dict[str, dict[str, Any]]:
        return {
            each["generator"]: each for each in json.loads((self.path / "generators.json").read_text(encoding="utf-8"))
        }

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect() as db:
            db.execute(f"CREATE VIEW ops AS FROM '{self.path}/history.parquet'")
            db.execute(f"CREATE VIEW sale AS FROM '{self.path}/sale.parquet'")
            db.execute(f"CREATE VIEW orders AS FROM '{self.path}/final/orders.parquet'")
            return db.execute(sql).fetchall()

    def close(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL if process in self.workers else signal.SIGTERM)
            process.communicate(timeout=40)
        self._wire.close()

    def _start(self, command: list[str], **environment: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **environment}, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8",
        )  # fmt: skip
        self.processes.append(process)
        return process

    def _wait_for(self, condition: Callable[[], bool], timeout_s: float = 40) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert self.run.poll() is None, self.run.communicate()[0]
            assert time.monotonic() < deadline, f"waited in vain:\n{self.generator_log}"
            time.sleep(0.02)


@contextmanager
def sale(directory: Path, silent: int | None = None) -> Iterator[Sale]:
    """A sale that has been started. The worker numbered `silent` delivers nothing from T0 on."""
    with machines(2) as where:
        held = Sale(where, directory, silent)
        try:
            held.start()
            yield held
        finally:
            held.close()


@pytest.mark.alone
def test_two_machines_fire_as_one(tmp_path: Path, stalls: Stalls) -> None:
    with sale(tmp_path) as held:
        verdict = held.verdict()
        assert (held.run.returncode, verdict["verdict"]) == (0, "VALID"), held.output
        # One T0, by the master's clock, though one of them has another time.
        [(t0_s,)], spread_s = held.rows("SELECT t0_ns / 1e9 FROM sale"), verdict["load"]["fire_spread_ms"] / 1e3
        assert spread_s - stalls.within(t0_s, t0_s + spread_s) <= 0.150
        assert held.rows("SELECT count(*), count(DISTINCT scheduled_ns) FROM ops WHERE kind = 'buy'") == [(BUYERS, 1)]
        first, second = held.generators["g0"], held.generators["g1"]
        assert abs(first["offset_ns"]) < 30e6
        assert second["offset_ns"] == pytest.approx(-AHEAD_MS * 1e6, abs=30e6)
        assert all(each["uncertainty_ns"] >= 2 * WIRE_S / 2 * 1e9 for each in (first, second))
        assert [doubt["text"] for doubt in verdict["doubts"] if "clocks of the generators" in doubt["text"]]
        # All that they recorded has arrived, and nothing twice.
        assert [first["whole"], second["whole"]] == [True, True]
        assert held.rows("SELECT generator, count(DISTINCT buyer) FROM ops GROUP BY ALL ORDER BY ALL") == [
            ("g0", BUYERS // 2), ("g1", BUYERS // 2),
        ]  # fmt: skip
        assert verdict["counts"]["unresolved"] == 0
        assert (held.path / "samples/generator-g1.jsonl").read_bytes().endswith(b"\n")
        assert [worker.wait(10) for worker in held.workers] == [0, 0]


@pytest.mark.alone
def test_a_machine_that_dies_at_t0_leaves_unknown_orders_and_no_false_alarm(tmp_path: Path) -> None:
    with sale(tmp_path, silent=1) as held:
        held.wait_for_claims(BUYERS // 2 + 50)  # some of them are of buyers of either machine
        held.workers[1].kill()
        verdict = held.verdict()
        dead = held.generators["g1"]
        assert (dead["buyers"], dead["planned"], dead["whole"]) == (BUYERS // 2, BUYERS // 2, False), held.output
        failed = [check for check in verdict["checks"] if check["verdict"] == "INVALID"]
        assert failed == [], held.output
        assert verdict["counts"]["lost"] == verdict["counts"]["phantom"] == 0
        # What it delivered before counts; and the shop sold to buyers of whose orders nothing had arrived, who would be phantoms.
        assert held.rows("SELECT kind, count(*) FROM ops WHERE generator = 'g1' GROUP BY ALL") == [
            ("page", BUYERS // 2)
        ]
        unheard = held.rows("SELECT count(*) FROM orders ANTI JOIN (FROM ops WHERE kind = 'buy') USING (buyer)")
        assert unheard[0][0] > 0
        said = " | ".join(doubt["text"] for doubt in verdict["doubts"])
        assert "generator g1 died before it had delivered its history: 1,000 of its 1,000 orders" in said
        assert "moved by" not in said  # clocks that differ have not moved
        assert "1,000 unknown replies" in verdict["sentence"]
        # The other one is heard to its end, and nobody waits for the dead until the deadline.
        assert held.generators["g0"]["whole"]
        assert "1 of the generators died" in held.generator_log
