import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadtest.errors import ServiceError
from loadtest.sale.deaths import Deaths
from loadtest.stack.process import Command, Process, Supervisor
from tests.waiting import eventually


@pytest.fixture
def supervisors(tmp_path: Path) -> Iterator[tuple[Supervisor, Supervisor]]:
    """Of a sale, and of services that outlast it."""
    with Supervisor(tmp_path / "sale") as sale, Supervisor(tmp_path / "services") as services:
        yield sale, services


def start(supervisor: Supervisor, role: str, name: str) -> Process:
    return supervisor.start(Command(role, name, [sys.executable, "-c", "import time; time.sleep(60)"]))


def kill(process: Process) -> None:
    os.kill(process.pid, signal.SIGKILL)
    eventually(lambda: process.exit_code() is not None)


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_each_death_is_told_once_whoever_it_was_but_the_buyers(
    supervisors: tuple[Supervisor, Supervisor], tmp_path: Path
) -> None:
    sale, services = supervisors
    deaths = Deaths(supervisors, tmp_path / "deaths.jsonl")
    worker, other, sampler = (
        start(sale, "worker", "worker-1"),
        start(sale, "worker", "worker-2"),
        start(sale, "sampler", "sampler"),
    )
    buyers, database = start(sale, "generator", "locust"), start(services, "postgres", "postgres")
    deaths.look()
    assert not deaths.path.exists()
    before = time.time_ns()
    for process in (worker, sampler, buyers, database):
        kill(process)
        deaths.look()
    other.expect_death()
    kill(other)
    sale.stop(worker)
    deaths.look()
    told = lines(deaths.path)
    assert [(line["role"], line["name"], line["exit"]) for line in told] == [
        ("worker", "worker-1", -9), ("sampler", "sampler", -9), ("postgres", "postgres", -9),
    ]  # fmt: skip
    assert all(before < int(str(line["t"])) < time.time_ns() for line in told)


def test_before_the_first_buyer_a_dead_process_of_the_shop_ends_the_run_and_a_dead_sampler_does_not(
    supervisors: tuple[Supervisor, Supervisor], tmp_path: Path
) -> None:
    deaths = Deaths(supervisors, tmp_path / "deaths.jsonl")
    kill(start(supervisors[0], "sampler", "sampler"))
    deaths.look()
    deaths.refuse()
    kill(start(supervisors[0], "api", "api"))
    deaths.look()
    with pytest.raises(ServiceError, match="api: ended with -9 before any buyer came"):
        deaths.refuse()
