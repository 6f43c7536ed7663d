"""A figure that the verdict has is told as the verdict has it, wherever it is told."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reports.data import open_run
from reports.run.figures import FIGURES
from reports.run.summary import summary

MakeRun = Callable[..., Path]
# None of these is what the run directory gives: whoever counts for itself tells another figure.
SAID: dict[str, Any] = {
    "counts": {"stock": 200, "promised": 207, "sold": 203, "lost": 17, "leaked": 19, "oversold": 7},
    "rate": {"configured_per_s": 50, "steady_per_s": 43.7, "max_1s": 61},
    "shaving": {
        "requests_max_per_s": 1234,
        "commits_max_per_s": 63,
        "factor": 19.6,
        "active_max": 47,
        "lock_waits_max": 29,
    },
    "load": {"offered_per_s": 4321, "achieved_per_s": 3456, "fire_spread_ms": 111, "generator_cpu": 0.37},
    "latency_ms": {"won": {"p50": 1111, "p99": 2222, "p999": 3333, "max": 4444}},
    "fairness": {"kendall_tau": 0.12, "worst_inversion": 345},
    "drain_s": 5.4,
}
TOLD = {
    "conservation": ("17 lost", "19 leaked"),
    "progress": ("207 units were promised and 203 rows written", "7 above it"),
    "requests": ("3,456 of them in the busiest second", "at most 4,321 were due in one"),
    "commits": ("1,234 requests became 63 commits: shaved to 1 in 19.6", "The fullest second held 61 rows"),
    "latency": (),
    "queue": ("was drained 5.4 s after T0",),
    "database": ("backends active 47", "waiting for a lock 29"),
    "fairness": ("Kendall's τ is 0.12", "passed 345 others"),
    "tester": ("took 111 ms to fire", "used 37 % of a core"),
}


@pytest.fixture
def run(make_run: MakeRun) -> Path:
    path = make_run("valid")
    verdict = json.loads((path / "verdict.json").read_text(encoding="utf-8"))
    (path / "verdict.json").write_text(json.dumps(verdict | SAID), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", TOLD)
def test_a_chart_tells_what_the_verdict_says(run: Path, name: str) -> None:
    with open_run(run) as data:
        caption = FIGURES[name](data).caption
    assert [] == [text for text in TOLD[name] if text not in caption], caption


def test_the_latency_of_an_outcome_is_the_verdicts(run: Path) -> None:
    with open_run(run) as data:
        table = FIGURES["latency"](data).table
    assert [(1111, 2222, 3333, 4444)] == [row[2:6] for row in table.rows if row[0] == "won"]


def test_no_chart_has_another_factor_or_peak(run: Path) -> None:
    with open_run(run) as data:
        text = " ".join(chart(data).caption for chart in FIGURES.values())
    assert ["19.6"] == re.findall(r"shaved to 1 in ([\d.]+\d)", text)
    assert "×" not in text
    assert "requests/s" not in text


def test_the_summary_has_the_same_factor(run: Path) -> None:
    with open_run(run) as data:
        assert "1,234 requests became 63 commits: shaved to 1 in 19.6." in summary(data.verdict)


def test_without_a_verdict_the_charts_are_drawn_from_what_was_recorded(run: Path) -> None:
    (run / "verdict.json").unlink()
    with open_run(run) as data:
        captions = {name: chart(data).caption for name, chart in FIGURES.items()}
    assert "shaved" not in captions["commits"]
    assert "200 units were promised" in captions["progress"]
