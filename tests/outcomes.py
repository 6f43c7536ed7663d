"""What the tests came to: each pytest process of `make test` leaves it in a file, which the end of `make test` and CI read.

A pytest plugin, and a program that prints what a directory of such files says.
"""

import json
import os
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import pytest


@dataclass
class Outcome:
    """What one pytest process did: how many tests passed, which failed (or their fixtures), and how often each reason to skip was given."""

    passed: int = 0
    failed: list[str] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    exit_code: int | None = None

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """None where the process wrote none: it came to no end."""
        if not path.exists():
            return None
        told = json.loads(path.read_text(encoding="utf-8"))
        return cls(**told | {"skipped": Counter(told["skipped"])})

    def add(self, report: pytest.TestReport) -> None:
        """What came of a test's set-up, call or clean-up."""
        if report.failed:
            if report.nodeid not in self.failed:
                self.failed.append(report.nodeid)
        elif report.skipped and isinstance(report.longrepr, tuple):
            self.skipped[report.longrepr[2].removeprefix("Skipped: ")] += 1
        elif report.when == "call":
            self.passed += 1


HERE = Outcome()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Pytest's hook."""
    HERE.add(report)


def pytest_sessionfinish(exitstatus: int) -> None:
    """Pytest's hook."""
    if path := os.environ.get("LOADTEST_OUTCOME"):
        HERE.exit_code = int(exitstatus)
        Path(path).write_text(json.dumps(vars(HERE)), encoding="utf-8")


def summary(outcomes: Iterable[Outcome]) -> list[str]:
    """The lines that end `make test`: what failed, and what was not run and why."""
    failed, skipped = [], Counter[str]()
    for outcome in outcomes:
        failed += outcome.failed
        skipped += outcome.skipped
    lines = [f"Failed: {len(failed)}", *(f"  {test}" for test in failed)] if failed else []
    if skipped:
        lines += [f"Not run on this machine: {skipped.total()}"]
        lines += [f"{count:5}  {reason}" for reason, count in skipped.most_common()]
    return lines


if __name__ == "__main__":
    found = (Outcome.read(path) for path in sorted(Path(sys.argv[1]).glob("*.json")))
    for line in summary(outcome for outcome in found if outcome):
        print(line)
