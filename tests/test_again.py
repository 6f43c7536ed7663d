"""How `make test` and CI end: the Makefile over a project of few lines, and the verdict on what it left."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.again import MOST, verdict
from tests.needs import need
from tests.outcomes import Outcome, summary

ROOT = Path(__file__).parent.parent
CALM = """
import pytest

@pytest.mark.alone
def test_alone(): pass

def test_beside(): pass
"""
# Fails, and passes from the second time on.
SHY = """
from pathlib import Path

import pytest

@pytest.fixture
def shy():
    if not Path("was here").exists():
        Path("was here").touch()
        raise OSError

def test_shy(shy): pass
"""
KILLED = "import os, signal\n\ndef test_killed(): os.kill(os.getpid(), signal.SIGKILL)\n"


class Project:
    """A project with this Makefile, whose linter passes or fails, and whose tests are the files that are added to it."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.left = directory, directory / "left"
        (directory / ".venv/bin").mkdir(parents=True)
        for name in ("tests", "left"):
            (directory / name).mkdir()
        (directory / "Makefile").symlink_to(ROOT / "Makefile")
        for name in ("pyproject.toml", "constraints.txt", ".venv/installed"):
            (directory / name).touch()
        (directory / "pytest.ini").write_text(
            "[pytest]\naddopts = -q -p tests.outcomes\nmarkers = alone\n", encoding="utf-8"
        )
        for name in ("ruff", "mypy", "lint-imports"):
            self.program(name, "true")
        self.program("python", f'exec {sys.executable} "$@"')
        self.program("pytest", f'exec {sys.executable} -m pytest "$@"')
        self.add("calm", CALM)

    def program(self, name: str, does: str) -> None:
        path = self.directory / ".venv/bin" / name
        path.write_text(f"#!/bin/sh\n{does}\n", encoding="utf-8")
        path.chmod(0o755)

    def add(self, name: str, tests: str) -> None:
        (self.directory / f"tests/test_{name}.py").write_text(tests, encoding="utf-8")

    def test(self) -> tuple[int, list[str]]:
        """Of `make test`: exit code, and the lines that it printed."""
        parts = " ".join(sorted(path.name for path in (self.directory / "tests").glob("test_*.py")))
        return self._run("make", "test", f"PARTS={parts}", LOADTEST_OUTCOMES=str(self.left))

    def ci(self) -> tuple[int, list[str]]:
        """The same of CI."""
        code, _ = self.test()
        return self._run(sys.executable, "-m", "tests.again", str(self.left), str(code))

    def _run(self, *command: str, **environment: str) -> tuple[int, list[str]]:
        env = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("MAKE", "MFLAGS", "LOADTEST_", "PYTEST_"))
        }
        env |= {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"} | environment
        done = subprocess.run(
            command, cwd=self.directory, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8", check=False
        )  # fmt: skip
        return done.returncode, done.stdout.splitlines()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """One whose tests pass."""
    return Project(tmp_path)


def test_what_passes_is_green(project: Project) -> None:
    assert project.ci() == (0, ["CI: green"])


def test_what_fails_beside_others_and_passes_by_itself_is_flaky(project: Project) -> None:
    project.add("shy", SHY)
    code, lines = project.ci()
    assert (code, lines[-2:]) == (
        0,
        ["FLAKY tests/test_shy.py::test_shy", "CI: green; flaky: tests/test_shy.py::test_shy"],
    )


def test_what_fails_twice_is_red_whatever_else_is_flaky(project: Project) -> None:
    project.add("shy", SHY)
    project.add("bad", "def test_bad(): assert False\n")
    code, lines = project.ci()
    assert (code, lines[-1]) == (
        1, "CI: red; failed twice: tests/test_bad.py::test_bad; flaky: tests/test_shy.py::test_shy"
    )  # fmt: skip
    assert {"FAILED TWICE tests/test_bad.py::test_bad", "FLAKY tests/test_shy.py::test_shy"} < set(lines)


def test_parts_whose_tests_did_not_run_are_red_at_once(project: Project) -> None:
    project.add("typo", "import nothing\n")
    project.add("empty", "")
    project.add("killed", KILLED)
    project.add("shy", SHY)
    assert project.ci() == (
        1,
        [
            "FAILED tests/test_shy.py::test_shy",
            "RED test-alone: pytest ended with 2",
            "RED test-test_empty.py: pytest ended with 5",
            "RED test-test_killed.py: pytest ended with 137, before its tests had ended",
            "RED test-test_typo.py: pytest ended with 2",
            "CI: red; what failed was not run again",
        ],
    )


def test_style_is_red_at_once(project: Project) -> None:
    project.program("ruff", "false")
    assert project.ci() == (1, ["RED lint: failed, or did not end", "CI: red; what failed was not run again"])


def test_a_make_that_ran_nothing_is_red(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verdict(tmp_path, 2) == 1
    assert "RED make ended with 2" in capsys.readouterr().out


def test_more_than_chance_fails_is_red_at_once(project: Project) -> None:
    project.add(
        "bad", f"import pytest\n\n@pytest.mark.parametrize('n', range({MOST + 1}))\ndef test_bad(n): assert False\n"
    )
    code, lines = project.ci()
    assert (code, lines[-2]) == (1, f"RED {MOST + 1} tests failed: too many for chance")


def test_make_test_runs_every_part_and_ends_in_what_failed_and_what_was_not_run(project: Project) -> None:
    project.add("bad", "def test_bad(): assert False\n")
    project.add("skips", "import pytest\n\ndef test_skips(): pytest.skip('needs a ladder: buy one')\n")
    code, lines = project.test()
    assert code == 2
    assert [line for line in lines if not line.startswith("make")][-4:] == [
        "Failed: 1", "  tests/test_bad.py::test_bad", "Not run on this machine: 1", "    1  needs a ladder: buy one",
    ]  # fmt: skip
    assert sorted(path.stem for path in project.left.glob("*.code")) == [
        "lint", "test-alone", "test-test_bad.py", "test-test_calm.py", "test-test_skips.py",
    ]  # fmt: skip


def test_what_was_not_run_is_grouped_by_its_reason() -> None:
    counted = [Outcome(skipped={"a": 1, "b": 2}), Outcome(skipped={"b": 3})]
    assert summary(counted) == ["Not run on this machine: 6", "    5  b", "    1  a"]


def test_what_is_missing_skips_and_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    need("there", "a ladder", "buy one")
    with pytest.raises(pytest.skip.Exception, match="needs a ladder: buy one"):
        need(None, "a ladder", "buy one")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="needs a ladder: buy one"):
        need(None, "a ladder", "buy one")
    with pytest.raises(pytest.skip.Exception):
        need(None, "wings", "be a bird", installable=False)
