"""What a certificate covers: every file that a verdict is made by, and no other."""

import shutil
from pathlib import Path

import pytest

from loadtest.judge.certificate import PACKAGE, fingerprint, judging


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the harness's source, to change."""
    return Path(shutil.copytree(PACKAGE, tmp_path / "loadtest", ignore=shutil.ignore_patterns("__pycache__")))


@pytest.mark.parametrize(
    "changed",
    [
        "judge/checks/flatness.py",
        "judge/spans.py",  # the backlogs that flatness asks for
        "judge/figures/shaving.py",
        "judge/thresholds.py",
        "record/history.py",
        "record/database.py",
        "errors.py",
    ],
)
def test_a_change_of_what_judges_takes_the_certificate_away(package: Path, changed: str) -> None:
    before = fingerprint(package)
    fingerprint.cache_clear()
    with (package / changed).open("a", encoding="utf-8") as source:
        source.write("# changed\n")
    assert fingerprint(package) != before


@pytest.mark.parametrize("changed", ["cli/box.py", "load/buyers/buyer.py", "sale/run.py", "stack/process.py"])
def test_a_change_elsewhere_leaves_it(package: Path, changed: str) -> None:
    before = fingerprint(package)
    fingerprint.cache_clear()
    with (package / changed).open("a", encoding="utf-8") as source:
        source.write("# changed\n")
    assert fingerprint(package) == before


def test_an_import_within_a_function_and_a_module_from_its_package_count(package: Path) -> None:
    (package / "judge" / "hidden.py").write_text("", encoding="utf-8")
    (package / "judge" / "deeper.py").write_text(
        "def late():\n    from loadtest.judge import hidden\n", encoding="utf-8"
    )
    with (package / "judge" / "tables.py").open("a", encoding="utf-8") as source:
        source.write("import loadtest.judge.deeper\n")
    names = {path.name for path in judging(package)}
    assert {"hidden.py", "deeper.py"} <= names


def test_every_check_and_every_figure_is_the_judges() -> None:
    judges = set(judging())
    assert set((PACKAGE / "judge").rglob("*.py")) <= judges
