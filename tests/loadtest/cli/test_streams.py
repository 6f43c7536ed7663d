"""Outputs that cannot be written, and what becomes of the exit code: nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

LOADTEST = f"{sys.executable} -m loadtest"


def shell(script: str, **env: str) -> tuple[int, str, str]:
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, timeout=120, check=False, encoding="utf-8", errors="replace",
        env={"PATH": "/usr/bin:/bin", **env},
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (f"{LOADTEST} list | head -1; exit ${{PIPESTATUS[0]}}", 0),
        (f"{LOADTEST} list | true; exit ${{PIPESTATUS[0]}}", 0),
        (f"{LOADTEST} list >/dev/full", 0),
        (f"{LOADTEST} list >&-", 0),
        (f"{LOADTEST} list <&- >&- 2>&-", 0),
        (f"{LOADTEST} list nosuch 2>/dev/full", 2),
        (f"{LOADTEST} list nosuch 2>&-", 2),
        (f"{LOADTEST} --nosuch 2>/dev/full", 2),
        (f"{sys.executable} -u -m loadtest list | true; exit ${{PIPESTATUS[0]}}", 0),
    ],
)
def test_an_output_that_nobody_takes_changes_no_exit_code(script: str, code: int) -> None:
    found, out, err = shell(script)
    assert found == code, err
    assert "Traceback" not in out + err
    assert "Exception" not in out + err


@pytest.mark.parametrize("encoding", ["ascii", "gbk", "latin-1", "cp1252", "utf-8"])
def test_a_terminal_is_shown_what_its_encoding_has(encoding: str) -> None:
    code, out, err = shell(f"{LOADTEST} list checks", PYTHONIOENCODING=encoding)
    assert (code, err) == (0, "")
    assert "oversell" in out


def test_what_ascii_lacks_is_shown_by_what_it_has() -> None:
    code, out, _ = shell(
        f"{LOADTEST} plan --stock 100 --buyers 1000 --db-budget 300/s --answer-within 60s", PYTHONIOENCODING="ascii"
    )
    assert code == 0
    assert "+ fits" in out
    assert "<= 300 in every second" in " ".join(out.split())


def test_a_closed_output_is_not_taken_by_a_file(tmp_path: Path) -> None:
    """Without anything on descriptor 1, the next file that is opened would be printed into."""
    script = (
        "import os, sys; from loadtest.cli.streams import keep_streams; keep_streams(); "
        f"f = open({str(tmp_path / 'x')!r}, 'w'); print('lost'); sys.stdout.flush(); assert f.fileno() > 2"
    )
    code, _, err = shell(f"{sys.executable} -c {script!r} >&- <&-" if '"' not in script else "")
    assert (code, err) == (0, "")
    assert (tmp_path / "x").read_bytes() == b""
