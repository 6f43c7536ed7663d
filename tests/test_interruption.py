"""A run that is killed or interrupted, in whatever phase: what is left of it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner

from loadtest.cli.main import main

SMALL = (
    "--set", "stock=60", "--set", "buyers=300", "--set", "limiter.rate_per_s=40",
    "--set", "arrivals.poll_s=0.2", "--set", "drain.settle_s=0.1",
)  # fmt: skip


@contextmanager
def running(out: Path, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    popen = subprocess.Popen(
        [sys.executable, "-u", "-m", "loadtest", "run", *arguments, "--out", str(out)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=out, start_new_session=True, encoding="utf-8",
    )  # fmt: skip
    try:
        yield popen
    finally:
        popen.kill()
        popen.wait()


def wait_for_phase(popen: "subprocess.Popen[str]", phase: str) -> str:
    """Read what it prints until the phase begins."""
    assert popen.stdout is not None
    text = ""
    for line in popen.stdout:
        text += line
        if line.split()[-1:] == [phase]:
            return text
    raise AssertionError(f"never came to {phase}:\n{text}")


def family(pid: int) -> list[psutil.Process]:
    """Every process below the harness, wherever it is in the tree."""
    return psutil.Process(pid).children(recursive=True)


def alive(processes: list[psutil.Process], within_s: float) -> list[psutil.Process]:
    _, left = psutil.wait_procs(processes, timeout=within_s)
    return [process for process in left if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.parametrize("phase", ["starting", "preparing", "gathering", "herd", "draining", "reading", "judging"])
def test_kill_9_in_any_phase_leaves_nothing_and_no_verdict(phase: str, tmp_path: Path) -> None:
    with running(tmp_path, *SMALL) as popen:
        wait_for_phase(popen, phase)
        time.sleep(0.05)
        children = family(popen.pid)
        popen.kill()
        popen.wait()
        assert phase == "judging" or children, "the guard at least was there"
        assert alive(children, within_s=5) == []
    run_dir = (tmp_path / "latest").resolve()
    assert not (run_dir / "verdict.json").exists()
    report = CliRunner().invoke(main, ["report", str(run_dir)])
    assert report.exit_code == 3
    assert "INCOMPLETE" in report.output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_reads_what_it_has_and_exits_130(number: signal.Signals, tmp_path: Path) -> None:
    with running(tmp_path, *SMALL) as popen:
        wait_for_phase(popen, "herd")
        children = family(popen.pid)
        os.kill(popen.pid, number)
        assert popen.wait(30) == 130
        assert alive(children, within_s=1) == []
    run_dir = (tmp_path / "latest").resolve()
    assert (run_dir / "final" / "orders.parquet").exists()
    assert (run_dir / "sale.parquet").exists()
    assert not (run_dir / "verdict.json").exists()


def test_a_second_ctrl_c_ends_it_at_once_and_leaves_nothing(tmp_path: Path) -> None:
    with running(tmp_path, *SMALL) as popen:
        wait_for_phase(popen, "herd")
        children = family(popen.pid)
        os.kill(popen.pid, signal.SIGINT)
        time.sleep(0.1)
        os.kill(popen.pid, signal.SIGINT)
        assert popen.wait(5) == 130
        assert alive(children, within_s=5) == []
