"""Sales on every broker: each type of RabbitMQ's queues at its rate, and all that acknowledge early, on warm stacks."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.stalls import Stalls

SMALL = ("stock=30", "buyers=90", "limiter.rate_per_s=30", "arrivals.poll_s=0.2")


def run_cells(out: Path, rabbitmq: str, *told: str) -> dict[str, dict[str, Any]]:
    """The verdict of each cell of a small `brokers`, by its values."""
    options = [part for key in (*SMALL, *told) for part in ("--set", key)]
    done = subprocess.run(
        [sys.executable, "-m", "loadtest", "run", "brokers", "--no-report", *options, "--broker", rabbitmq, "--out", str(out)],
        capture_output=True, text=True, timeout=180, check=False, cwd=out, encoding="utf-8",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    found = sorted((out / "latest").resolve().glob("cells/*/verdict.json"))
    return {path.parent.name.partition("-")[2]: json.loads(path.read_text(encoding="utf-8")) for path in found}


def in_sale(verdict: dict[str, Any], column: str) -> Any:
    """What a run recorded of its sale."""
    return duckdb.sql(f"SELECT {column} FROM '{verdict['run_dir']}/sale.parquet'").fetchall()[0][0]


@pytest.fixture(scope="module")
def cells(rabbitmq: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Late acknowledgement on either type of queue."""
    matrix = 'matrix={"broker.queue"=["classic","quorum"]}'
    return run_cells(tmp_path_factory.mktemp("runs"), rabbitmq, "broker.kind=rabbitmq", matrix)


def test_every_broker_that_acknowledges_early_sells_what_there_is(rabbitmq: str, tmp_path: Path) -> None:
    matrix = 'matrix={"broker.kind"=["redis","rabbitmq"],"broker.queue"=["classic","quorum"]}'
    found = run_cells(tmp_path, rabbitmq, "broker.ack=early", "limiter.kind=none", matrix)
    assert {name: (verdict["verdict"], verdict["counts"]["sold"]) for name, verdict in found.items()} == {
        "redis-classic": ("VALID", 30), "rabbitmq-classic": ("VALID", 30), "rabbitmq-quorum": ("VALID", 30),
    }  # fmt: skip


@pytest.mark.alone
@pytest.mark.parametrize("queue", ["classic", "quorum"])
def test_a_sale_is_valid_on_either_type_of_queue_and_at_its_rate(
    queue: str, cells: dict[str, dict[str, Any]], stalls: Stalls
) -> None:
    verdict = cells[queue]
    assert verdict["verdict"] == "VALID", verdict["sentence"]
    assert verdict["counts"] == dict.fromkeys(verdict["counts"], 0) | {"stock": 30, "promised": 30, "sold": 30}
    t0_s, drain_s = in_sale(verdict, "t0_ns") / 1e9, verdict["drain_s"]
    # No sooner than the rate allows, whatever the machine did; and no later, but for the time that the machine took away.
    assert drain_s > 30 / 30 - 0.5
    assert drain_s - stalls.within(t0_s, t0_s + drain_s) < 30 / 30 + 0.5


@pytest.mark.alone
def test_a_run_records_how_long_its_broker_is_patient(cells: dict[str, dict[str, Any]]) -> None:
    for verdict in cells.values():
        assert in_sale(verdict, "redelivery_s") == 1800.0


@pytest.mark.alone
def test_the_password_of_the_broker_is_nowhere_in_a_run(cells: dict[str, dict[str, Any]]) -> None:
    for verdict in cells.values():
        for path in Path(verdict["run_dir"]).rglob("*"):
            assert not path.is_file() or b"guest:guest" not in path.read_bytes(), path
