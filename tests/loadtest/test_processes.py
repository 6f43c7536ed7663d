"""Processor time by role, and by name where a role has several processes."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from loadtest.probes.processes import ProcessesProbe
from loadtest.stack.process import Command, Supervisor


def test_each_of_several_workers_is_read_by_its_name(tmp_path: Path) -> None:
    journal = tmp_path / "processes.jsonl"
    nap = [sys.executable, "-c", "import time; time.sleep(30)"]
    with Supervisor(tmp_path, journal) as supervisor:
        for role, name in (("worker", "worker-1"), ("worker", "worker-2"), ("generator", "locust")):
            supervisor.start(Command(role, name, nap))
        read = ProcessesProbe(cast("Any", SimpleNamespace(processes=journal))).read()
    assert {key for key in read if key.endswith(".cpu_s")} == {
        "worker.cpu_s", "worker-1.cpu_s", "worker-2.cpu_s", "generator.cpu_s",
    }  # fmt: skip
    assert read["worker.rss_bytes"] == read["worker-1.rss_bytes"] + read["worker-2.rss_bytes"]
