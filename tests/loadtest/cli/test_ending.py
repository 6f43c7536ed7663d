"""How commands end: never in 1, which means INVALID, and never in a traceback on the terminal."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import click
import pytest
from click.testing import CliRunner

from loadtest.cli.main import Commands, main
from loadtest.errors import LOG, HarnessError, RunInterrupted, ServiceError, UsageError, logged


def ending(raised: BaseException) -> tuple[int, str]:
    """The exit code of a command that raises this, and what it says."""
    group = Commands("loadtest")

    @group.command("do")
    def do() -> NoReturn:
        raise raised

    done = CliRunner().invoke(group, ["do"])
    assert "Traceback" not in done.output
    assert done.stdout == ""
    return done.exit_code, done.stderr


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (UsageError("a"), 2), (ServiceError("a"), 70), (HarnessError("a"), 70), (RunInterrupted("a"), 130), (KeyboardInterrupt(), 130),
        (ValueError("a"), 70), (BrokenPipeError(32, "Broken pipe"), 70), (EOFError(), 70), (OSError(28, "No space left on device"), 70),
        (RecursionError("a"), 70), (MemoryError(), 70), (AssertionError(), 70), (click.ClickException("a"), 2), (click.Abort(), 130),
    ],
    ids=lambda each: type(each).__name__,
)  # fmt: skip
def test_whatever_is_raised_has_its_exit_code_and_one_line(raised: BaseException, code: int) -> None:
    found, said = ending(raised)
    assert found == code
    assert len(said.strip().splitlines()) == 1


def test_an_interruption_says_what_there_is_of_the_run() -> None:
    interruption = RunInterrupted("interrupted by SIGINT")
    assert ending(interruption)[1] == "loadtest: interrupted by SIGINT; the run has no verdict\n"
    interruption.left = "the run was judged"
    assert ending(interruption)[1] == "loadtest: interrupted by SIGINT; the run was judged\n"


def test_the_line_for_a_bug_names_the_file_with_its_traceback() -> None:
    _, said = ending(ZeroDivisionError("first line\nsecond line"))
    assert said.startswith("loadtest: ZeroDivisionError: first line; the traceback is in ")
    log = Path(said.strip().rpartition(" ")[2])
    assert "second line" in log.read_text(encoding="utf-8")
    log.unlink()


def test_a_bug_in_a_run_is_logged_in_its_directory(tmp_path: Path) -> None:
    with (
        pytest.raises(HarnessError, match=r"KeyError: 'x'; the traceback is in .*/logs/loadtest.log$"),
        logged(tmp_path / "logs"),
    ):
        raise KeyError("x")
    assert "KeyError: 'x'" in (tmp_path / "logs" / LOG).read_text(encoding="utf-8")


def test_a_log_that_cannot_be_written_is_written_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "logs").touch()
    with pytest.raises(HarnessError, match=r"the traceback is in ") as caught, logged(tmp_path / "logs"):
        raise KeyError("x")
    log = Path(str(caught.value).rpartition(" ")[2])
    assert "KeyError" in log.read_text(encoding="utf-8")
    log.unlink()


def test_what_keeps_the_command_line_from_being_imported_is_no_verdict(tmp_path: Path) -> None:
    (tmp_path / "rich.py").write_text("raise RuntimeError('not the rich you want')", encoding="utf-8")
    command = [sys.executable, "-m", "loadtest", "list"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=120, check=False, encoding="utf-8")
    assert (done.returncode, done.stdout) == (70, "")
    assert len(done.stderr.splitlines()) == 1, done.stderr


# What goes wrong with the report of a run that has been judged.
def full_disk(*_: object) -> NoReturn:
    raise OSError(28, "No space left on device", "report.html")


def bug(*_: object) -> NoReturn:
    raise ZeroDivisionError


def broken_pipe(*_: object) -> NoReturn:
    raise BrokenPipeError(32, "Broken pipe")


@pytest.mark.parametrize("failing", [full_disk, bug, broken_pipe])
@pytest.mark.parametrize("what", ["_page", "summary", "write_junit"])
def test_a_judged_run_stays_judged_when_its_report_cannot_be_drawn(
    what: str, failing: Callable[..., Any], fair: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = fair().write(tmp_path / "run")
    (run / "report.html").write_text("of an earlier verdict", encoding="utf-8")
    monkeypatch.setattr(f"reports.run.build.{what}", failing)
    done = CliRunner().invoke(main, ["verify", str(run)])
    assert done.exit_code == 0
    assert "VALID" in done.stdout
    assert "report not drawn: " in done.stdout
    assert not (run / "report.html").exists()
    assert (run / "verdict.json").is_file()
    assert CliRunner().invoke(main, ["report", str(run)]).exit_code == 70, "the report is what was asked for"


def test_text_from_outside_is_printed_as_it_is(fair: Callable[..., Any], tmp_path: Path) -> None:
    run = fair().write(tmp_path / "[a/b][bold]:smile:")
    done = CliRunner().invoke(main, ["verify", "--no-report", str(run)])
    assert done.exit_code == 0
    assert "[a/b][bold]:smile:" in "".join(line.strip("│ ") for line in done.stdout.splitlines())


@pytest.mark.parametrize("imported", ["click", "rich"])
def test_ctrl_c_while_it_is_still_being_imported_is_one_line(imported: str, tmp_path: Path) -> None:
    (tmp_path / f"{imported}.py").write_text("raise KeyboardInterrupt", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "loadtest", "verify", str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False, encoding="utf-8",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (130, "loadtest: interrupted\n")
