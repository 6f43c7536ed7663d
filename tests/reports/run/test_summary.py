"""summary.md: what a pull request gets."""

from collections.abc import Callable
from pathlib import Path

from reports.data import open_run
from reports.run.figures.tester import tester as drawn
from reports.run.summary import summary
from reports.verdict import read_verdict

MakeRun = Callable[..., Path]


def written(run: Path) -> str:
    return summary(read_verdict(run / "verdict.json"))


def test_says_verdict_counts_rates_and_doubts(make_run: MakeRun) -> None:
    text = written(make_run("valid"))
    assert text.startswith("## ✅ VALID · rush\n\n200 seeded · 200 sold")
    assert "| stock | promised | sold |" in text
    assert "| 200 | 200 | 200 |" in text
    assert "configured 50/s, steady 49.8/s, fullest second 52/s" in text
    assert "1,200 requests became 52 commits" in text
    assert "Drained 4.2 s after T0." in text
    assert "- The generator and the shop shared 2 cores. Give the generator" in text
    assert "oversell**" not in text


def test_lists_the_checks_that_failed_with_witnesses(make_run: MakeRun) -> None:
    text = written(make_run("oversold"))
    assert "- **INVALID oversell** –" in text
    assert "  - sale-000201 went to b-000900" in text
    assert "lost**" not in text


def test_an_incomplete_run_says_so(make_run: MakeRun) -> None:
    assert written(make_run("incomplete")).startswith("## ⬜ INCOMPLETE")


def test_what_comes_from_outside_cannot_be_markup(make_run: MakeRun) -> None:
    text = written(make_run("hostile"))
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert "\x1b" not in text


def test_open_arrivals_are_told_as_on_time_and_dropped(make_run: MakeRun) -> None:
    run = make_run("valid")
    path = run / "verdict.json"
    path.write_text(
        path.read_text(encoding="utf-8").replace(
            '"offered_per_s"', '"on_time": 0.9987, "dropped": 51, "offered_per_s"'
        ),
        encoding="utf-8",
    )
    assert "Load offered: 25,000 requests/s, 99.9 % of them on time, 51 dropped." in written(run)
    with open_run(run) as data:
        chart = drawn(data)
    assert "99.9 % of the planned orders were sent within 20 ms of their time, and 51 were dropped" in chart.caption
