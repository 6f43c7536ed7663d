"""Whole sales in surroundings that would mislead them: variables, servers and leftovers of somebody else."""

import json
import os
import subprocess
import sys
from pathlib import Path

import redis

from loadtest.stack import Services

# Held to no rate, a sale needs no quiet machine.
SMALL = (
    "--set", "stock=60", "--set", "buyers=300", "--set", "limiter.kind=none", "--set", "arrivals.poll_s=0.2",
    "--set", "drain.settle_s=0.1",
)  # fmt: skip


def sell(out: Path, *arguments: str, **variables: str) -> tuple[int, str]:
    """Exit code, and what was printed."""
    done = subprocess.run(
        [sys.executable, "-m", "loadtest", "run", "--no-report", *SMALL, *arguments, "--out", str(out)],
        capture_output=True, text=True, timeout=180, check=False, cwd=out, env={**os.environ, **variables},
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_variables_of_other_programs_change_nothing(services: Services, closed_port: int, tmp_path: Path) -> None:
    elsewhere = services.redis.removesuffix("/0") + "/7"
    with redis.Redis.from_url(elsewhere) as foreign:
        foreign.rpush("orders", "a message of somebody else's")
        code, text = sell(
            tmp_path, CELERY_BROKER_URL=elsewhere, BROKER_URL=elsewhere, CELERY_RESULT_BACKEND=elsewhere, PGPORT=str(closed_port),
            PGOPTIONS="-c search_path=nowhere", PGSSLMODE="verify-full", REDIS_URL=elsewhere, WEB_CONCURRENCY="3", UVICORN_PORT="1",
            UVICORN_HOST="0.0.0.1", CELERY_WORKER_CONCURRENCY="7", DJANGO_SETTINGS_MODULE="nowhere", LOCUST_USERS="1", MPLBACKEND="none",
            PYTHONSTARTUP="/no/such", PYTHONWARNINGS="error", SHOP_MUTANT="off_by_one", GIT_DIR="/no/such",
        )  # fmt: skip
        assert code == 0, text
        assert foreign.keys() == [b"orders"]
        assert foreign.lrange("orders", 0, -1) == [b"a message of somebody else's"]
        foreign.flushdb()
    run_dir = tmp_path / "latest"
    apis = [line for line in (run_dir / "processes.jsonl").read_text(encoding="utf-8").splitlines() if '"api"' in line]
    assert len(apis) == 1
    assert json.loads((run_dir / "environment.json").read_text(encoding="utf-8"))["git_sha"], (
        "that of the source, whatever GIT_DIR says"
    )
