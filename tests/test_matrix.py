"""A matrix of whole sales, resumed where one is missing."""

import json
import subprocess
import sys
from pathlib import Path

SMALL = """
name = "small"
stock = 30
buyers = 120
[limiter]
kind = "none"
[arrivals]
poll_s = 0.2
[drain]
settle_s = 0.1
[matrix]
scheme = ["row_lock", "naive"]
dispatch = ["inline", "queued"]
[[expect]]
where = { scheme = "naive" }
verdict = "invalid:oversell"
"""


def loadtest(*arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "loadtest", *arguments],
        cwd=cwd, capture_output=True, text=True, timeout=180, check=False, encoding="utf-8",
    )  # fmt: skip


def test_a_matrix_runs_every_cell_and_resumes_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(SMALL, encoding="utf-8")
    done = loadtest("run", "small.toml", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 of 2 runs as expected" in done.stdout
    directory = (tmp_path / "runs" / "latest").resolve()
    cells = json.loads((directory / "matrix.json").read_text(encoding="utf-8"))["cells"]
    assert [(cell["verdict"], cell["met"]) for cell in cells] == [
        ("VALID", True), (None, None), ("INVALID", True), (None, None),
    ]  # fmt: skip
    assert "oversell" in cells[2]["failed_checks"]
    assert (directory / "comparison.html").stat().st_size > 0

    sold, oversold = (directory / "cells" / name / "verdict.json" for name in ("01-row_lock-inline", "03-naive-inline"))
    kept = oversold.stat().st_mtime_ns
    sold.unlink()
    again = loadtest("run", "--resume", str(directory), cwd=tmp_path)
    assert again.returncode == 0, again.stdout + again.stderr
    assert sold.exists()
    assert oversold.stat().st_mtime_ns == kept
