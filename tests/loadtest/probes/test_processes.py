"""Processor time by role, and by name where a role has several processes."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import psutil

from loadtest.probes import SELDOM
from loadtest.probes.processes import ProcessesProbe
from loadtest.stack.process import Command, Supervisor
from tests.waiting import eventually


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


def reading(probe: ProcessesProbe) -> dict[str, float]:
    """The next reading that looks."""
    return dict(next(found for _ in range(SELDOM + 1) if (found := probe.read())))


def test_a_child_counts_under_its_parents_role_and_no_longer_when_it_is_gone(tmp_path: Path) -> None:
    journal = tmp_path / "processes.jsonl"
    parent = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(30)']); import time; time.sleep(30)"
    with Supervisor(tmp_path, journal) as supervisor:
        probe = ProcessesProbe(cast("Any", SimpleNamespace(processes=journal)))
        process = supervisor.start(Command("worker", "worker-1", [sys.executable, "-c", parent]))
        eventually(lambda: len(psutil.Process(process.pid).children()) == 1, 5)
        (child,) = psutil.Process(process.pid).children()
        assert reading(probe)["worker.rss_bytes"] > psutil.Process(process.pid).memory_info().rss
        child.kill()
        eventually(lambda: not psutil.pid_exists(child.pid), 5)
        assert reading(probe)["worker.rss_bytes"] <= psutil.Process(process.pid).memory_info().rss


def test_a_process_seen_before_it_was_named_is_looked_at_again(tmp_path: Path) -> None:
    journal = tmp_path / "processes.jsonl"
    journal.touch()
    probe = ProcessesProbe(cast("Any", SimpleNamespace(processes=journal)))
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        assert [probe.read() for _ in range(SELDOM)] == [{}] * SELDOM
        journal.write_text(
            json.dumps({"pid": process.pid, "role": "worker", "name": "worker-1"}) + "\n", encoding="utf-8"
        )
        assert reading(probe)["worker.rss_bytes"] > 0
        process.kill()
