"""Whole sales in surroundings that would mislead them: variables, servers and leftovers of somebody else."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import redis

from loadtest.record.environment import git_sha
from loadtest.stack import Services

# Held to no rate, a sale needs no quiet machine.
SMALL = (
    "--set", "stock=60", "--set", "buyers=300", "--set", "limiter.kind=none", "--set", "arrivals.poll_s=0.2",
    "--set", "drain.settle_s=0.1",
)  # fmt: skip


def sell(out: Path, *arguments: str, **variables: str) -> tuple[int, str]:
    """Exit code, and what was printed. ``-P``, as the command ``loadtest`` itself has the current folder not on its path."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "loadtest", "run", "--no-report", *SMALL, *arguments, "--out", str(out)],
        capture_output=True, text=True, timeout=180, check=False, cwd=out, env={**os.environ, **variables},
    encoding="utf-8",)  # fmt: skip
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
    recorded = json.loads((run_dir / "environment.json").read_text(encoding="utf-8"))
    assert bool(recorded["git_sha"]) == bool(git_sha()), "that of the source, whatever GIT_DIR says"


def pids(run_dir: Path) -> dict[str, int]:
    """The last process of each name."""
    lines = (run_dir / "processes.jsonl").read_text(encoding="utf-8").splitlines()
    return {line["name"]: line["pid"] for line in map(json.loads, lines)}


def deaths(run_dir: Path) -> set[tuple[str, str, int]]:
    path = run_dir / "deaths.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return {(line["role"], line["name"], line["exit"]) for line in map(json.loads, lines)}


@contextmanager
def selling(out: Path, *arguments: str) -> "Iterator[subprocess.Popen[str]]":
    """A sale whose herd has just come."""
    popen = subprocess.Popen(
        [sys.executable, "-u", "-m", "loadtest", "run", "--no-report", *SMALL, *arguments, "--out", str(out)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=out, encoding="utf-8",
    )  # fmt: skip
    try:
        assert popen.stdout is not None
        for line in popen.stdout:
            if line.split()[-1:] == ["herd"]:
                break
        yield popen
        popen.communicate(timeout=120)
    finally:
        popen.kill()
        popen.wait()


def test_processes_that_die_unasked_are_told(tmp_path: Path) -> None:
    slow = ("--set", "limiter.kind=flat", "--set", "limiter.rate_per_s=10", "--set", "workers.count=2")
    with selling(tmp_path, *slow) as sale:
        run_dir = (tmp_path / "latest").resolve()
        for name in ("worker-1", "sampler"):
            os.kill(pids(run_dir)[name], signal.SIGKILL)
    assert deaths(run_dir) == {("worker", "worker-1", -9), ("sampler", "sampler", -9)}
    assert sale.returncode != 70, "the run goes on, and its verdict says what it is worth"
    assert (run_dir / "verdict.json").exists()


def test_what_a_fault_kills_is_no_death_unasked(tmp_path: Path) -> None:
    fault = 'faults=[{kind = "kill", role = "worker", at_s = 0.3, heal_after_s = 0.3}]'
    code, text = sell(tmp_path, "--set", "limiter.kind=flat", "--set", "limiter.rate_per_s=20", "--set", fault)
    assert code != 70, text
    assert (tmp_path / "latest" / "faults.jsonl").read_text(encoding="utf-8").count("kill worker") == 1
    assert deaths(tmp_path / "latest") == set()


def test_a_killed_guard_ends_no_sale(tmp_path: Path) -> None:
    with selling(tmp_path) as sale:
        guards = [child for child in psutil.Process(sale.pid).children() if "guard.py" in " ".join(child.cmdline())]
        assert len(guards) == 1
        guards[0].kill()
    assert sale.returncode == 0
    assert deaths(tmp_path / "latest") == set()


def test_a_folder_full_of_other_peoples_names_and_a_proxy_change_nothing(tmp_path: Path, closed_port: int) -> None:
    names = (
        "json",
        "redis",
        "celery",
        "locust",
        "uvicorn",
        "sqlalchemy",
        "kombu",
        "psutil",
        "loadtest",
        "scenarios",
        "target",
        "reports",
    )
    for number, name in enumerate(names):
        module = tmp_path / f"{name}.py" if number % 2 else tmp_path / name / "__init__.py"
        module.parent.mkdir(exist_ok=True)
        module.write_text(f"raise SystemExit('the {name} of the user was imported')", encoding="utf-8")
    (tmp_path / "locust.conf").write_text("run-time = 1s\nno-such-option = 1\n", encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text("[tool.locust]\nusers = 3\n", encoding="utf-8")
    (tmp_path / "celeryconfig.py").write_text("raise SystemExit('celeryconfig')", encoding="utf-8")
    nowhere = f"http://127.0.0.1:{closed_port}"
    code, text = sell(tmp_path, http_proxy=nowhere, HTTP_PROXY=nowhere, all_proxy=nowhere, LOCUST_RUN_TIME="1s")
    assert code == 0, text


def test_a_queue_that_prepare_leaves_full_is_refused(services: Services, tmp_path: Path) -> None:
    """A shop of which `prepare` empties nothing."""
    manifest = (Path(__file__).parent.parent / "target" / "shop.toml").read_text(encoding="utf-8")
    lazy = tmp_path / "shop.toml"
    nothing = '[prepare]\ncommand = ["{python}", "-c", ""]'
    lazy.write_text(re.sub(r"\[prepare\]\ncommand = .*", lambda _: nothing, manifest), encoding="utf-8")
    broker = services.redis.removesuffix("/0") + "/7"
    with redis.Redis.from_url(broker) as client:
        client.flushdb()
        client.rpush("orders", json.dumps({"body": json.dumps([["sale-000003"], {}, {}]), "properties": {}}))
        code, text = sell(tmp_path, "--set", f"shop={lazy}", "--redis", services.redis, "--broker", broker)
        client.flushdb()
    assert code == 2, text
    assert "found 1 (such as sale-000003)" in text
    assert not (tmp_path / "latest" / "verdict.json").exists()


def test_two_runs_on_the_same_given_services_do_not_meet(services: Services, tmp_path: Path) -> None:
    given = ("--postgres", services.postgres, "--redis", services.redis, "--broker", services.broker)
    slow = ("--set", "limiter.kind=flat", "--set", "limiter.rate_per_s=1")
    with selling(tmp_path, *given, *slow) as first:
        first_dir = (tmp_path / "latest").resolve()
        for option, url in zip(given[::2], given[1::2], strict=True):
            code, text = sell(tmp_path, option, url)
            assert code == 2, text
            assert f"another run holds it (process {first.pid} on " in " ".join(text.split())
            assert str(first_dir) in text
        first.kill()
    assert (tmp_path / "latest").resolve() == first_dir, "the second has written nothing"
    code, text = sell(tmp_path, *given)
    assert code == 0, f"what a killed run held lapses by itself: {text}"
