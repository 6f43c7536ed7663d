"""The command line as a user meets it: its exit code and what it prints."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from loadtest.cli.main import main


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user is in an empty directory."""
    monkeypatch.chdir(tmp_path)


def loadtest(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_it_is_a_program(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "loadtest", "verify", "."]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False, encoding="utf-8"
    )
    here = loadtest("verify", ".")
    assert (done.returncode, done.stdout, done.stderr) == (here.exit_code, here.stdout, here.stderr)


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--set", "stock=0"], ["stock = 0", "greater than or equal to 1"]),
        (["--set", "stok=10"], ["'stok'", "nearest valid: 'stock'"]),
        (["--set", "limiter.rate_per_s=-1"], ["limiter.rate_per_s = -1", "greater than or equal to"]),
        (["--set", "scheme=token"], ["nearest valid: 'tokens'"]),
        (["--set", "scenario=scenarios/none.py"], ["no such file"]),
        (["--set", "shop=none.toml"], ["no such file"]),
        (["--set", 'thresholds=["p99 < 1"]'], ["p99", "nearest valid: 'p99_ms'"]),
        (["--redis", "redis://127.0.0.1:1"], ["--redis redis://127.0.0.1:1", "does not answer"]),
        (
            ["--postgres", "postgresql://u:geheim@127.0.0.1:1/d"],
            ["--postgres postgresql://u:***@127.0.0.1:1/d", "does not answer"],
        ),
        (["--redis", "redis://[::1"], ["--redis redis://[::1: not a URL"]),
        (["--redis", "redis://127.0.0.1:1/0?password=geheim"], ["--redis redis://:***@127.0.0.1:1/0: does not answer"]),
        (
            ["--postgres", "host=h password=geheim"],
            ["--postgres host=h password=***", "expected a URL that begins with"],
        ),
        (["--broker", "kafka://127.0.0.1"], ["--broker kafka://127.0.0.1", "expected a URL"]),
        (["--set", "broker.kind=rabbitmq"], ["RabbitMQ is not embedded, and none was given", "--broker amqp://"]),
        (["--set", "broker.queue=quorum"], ["broker.queue = 'quorum'", "--set broker.kind=rabbitmq"]),
        (
            ["--set", "broker.kind=redis", "--broker", "amqp://u:geheim@127.0.0.1:1"],
            ["amqp://u:***@", "nothing would use it"],
        ),
        (
            ["--set", "limiter.rate_per_s=0.1", "--set", "broker.visibility_s=60"],
            ["take 80 s", "broker.visibility_s to 160"],
        ),
        (["--web", "--processes", "2"], ["--web", "leave --processes"]),
        (["--web", "--no-report"], ["--web", "leave --no-report away"]),
        (["oversell", "--expect-workers", "2"], ["--expect-workers", "a matrix runs in one generator"]),
        (["--processes", "2", "--expect-workers", "2"], ["expected one of them"]),
        (["nosuch"], ["'nosuch'", "rush"]),
        (["broken.toml"], ["broken.toml: not valid TOML", "line 1"]),
    ],
)
def test_bad_usage_is_one_line_exit_2_and_nothing_started(
    arguments: list[str], parts: list[str], tmp_path: Path
) -> None:
    (tmp_path / "broken.toml").write_text("stock = = 3", encoding="utf-8")
    done = loadtest("run", *arguments)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1
    for part in parts:
        assert part in done.stderr
    assert "geheim" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["broken.toml"], "nothing was started, nothing written"


def test_a_directory_that_is_no_run_cannot_be_verified() -> None:
    done = loadtest("verify", ".")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "expected a run directory" in done.stderr


def test_list_names_what_there_is() -> None:
    done = loadtest("list")
    assert done.exit_code == 0
    for name in ("rush", "oversell", "flatness", "postgres"):
        assert name in done.stdout
    assert "nearest valid: 'checks'" in loadtest("list", "check").stderr


ASKED = ("--stock", "1000", "--buyers", "5000", "--db-budget", "300/s", "--answer-within", "60s")


@pytest.mark.parametrize(
    ("command", "parts"),
    [
        (["plan"], ["--stock: required"]),
        (["plan", *ASKED, "--stock", "many"], ["--stock 'many'", "a whole number"]),
        (["plan", *ASKED, "--buyers", "0"], ["--buyers '0'", "a whole number"]),
        (["plan", *ASKED, "--db-budget", "-3/s"], ["--db-budget '-3/s'", "300/s"]),
        (["plan", *ASKED, "--answer-within", "soon"], ["--answer-within 'soon'", "60s"]),
        (["plan", *ASKED, "--broker", "rabitmq"], ["--broker 'rabitmq'", "nearest valid: 'rabbitmq'"]),
        (["plan", *ASKED, "--from", "nowhere"], ["nowhere: expected a run directory"]),
        (["sweep", "--rates", "fast"], ["--rates 'fast'", "numbers above 0"]),
        (["sweep", "--workers", "0"], ["--workers '0'", "whole numbers"]),
    ],
)
def test_nonsense_asked_of_plan_and_sweep_is_one_line_and_exit_2(
    command: list[str], parts: list[str], tmp_path: Path
) -> None:
    done = loadtest(*command)
    assert (done.exit_code, done.stdout) == (2, "")
    assert len(done.stderr.strip().splitlines()) == 1
    for part in parts:
        assert part in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_plan_that_fits_ends_with_0_and_one_that_contradicts_itself_with_1() -> None:
    fits = loadtest("plan", *ASKED, "--json")
    assert fits.exit_code == 0, fits.stderr
    found = json.loads(fits.stdout)
    assert (found["fits"], found["choice"]["limiter"], found["choice"]["rate_per_s"]) == (True, "shared", 289)
    assert found["prediction"]["drain_s"] < 60
    tight = loadtest("plan", *ASKED, "--answer-within", "2s")
    assert tight.exit_code == 1
    assert "contradict each other" in " ".join(tight.stdout.split())
    assert "--db-budget" in tight.stdout


def test_a_report_is_drawn_unless_it_is_not_wanted_and_later_all_the_same(
    fair: Callable[..., Any], tmp_path: Path
) -> None:
    page = fair().write(tmp_path / "run") / "report.html"
    for command, told, drawn in (
        (["verify", "run"], "report  run/report.html", True),
        (["verify", "--no-report", "run"], "report  not drawn: loadtest report run", False),
        (["report", "run"], "report  run/report.html", True),
    ):
        done = loadtest(*command)
        assert told in done.stdout, done.output
        assert page.is_file() is drawn
