"""What the box at the end of a run says, line by line."""

from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from loadtest.cli.box import show_incomplete, show_verdict
from loadtest.judge.checks import Doubt
from loadtest.judge.thresholds import ThresholdResult
from loadtest.judge.verdict import Verdict


def shown(verdict: Verdict, run_dir: Path = Path("runs/x")) -> str:
    """The box as text, its lines joined."""
    console = Console(width=400, record=True, force_terminal=False)
    with console.capture() as said:
        show_verdict(console, verdict, run_dir)
    return said.get()


@pytest.fixture
def good(fair, judged) -> Verdict:
    """The verdict of a sale in which nothing went wrong."""
    verdict: Verdict = judged(fair(stock=3, buyers=8))
    return verdict


def test_a_good_sale(good: Verdict) -> None:
    text = shown(good)
    assert "✓ VALID" in text
    assert "3 seeded · 3 sold · 0 oversold · 0 lost · 0 duplicated · 0 leaked" in text
    assert "offered 8/s" in text
    assert "not certified here: loadtest certify" in text
    assert "not drawn: loadtest report runs/x" in text


def test_figures_that_were_not_measured_are_dashes(good: Verdict) -> None:
    text = shown(replace(good, drain_s=None))
    assert "drained in –" in text


def test_a_failed_check_with_three_of_its_witnesses(good: Verdict) -> None:
    first, *others = good.checks
    failed = replace(
        first, verdict="INVALID", observed="5 rows", bound="3", witnesses=tuple(f"row {n}" for n in range(5))
    )
    text = shown(replace(good, verdict="INVALID", checks=(failed, *others)))
    assert "✗ INVALID" in text
    assert f"✗ {first.name}  {first.sentence}: observed 5 rows, bound 3" in text
    assert "row 2" in text
    assert "row 3" not in text
    assert "… 2 more in the report" in text


def test_a_doubt_with_its_remedy_and_a_breached_threshold(good: Verdict) -> None:
    breached = ThresholdResult("p99_ms < 200", 250.0, False)
    text = shown(replace(good, verdict="UNKNOWN", doubts=(Doubt("too few", "raise buyers"),), thresholds=(breached,)))
    assert "? UNKNOWN" in text
    assert "doubt   too few  → raise buyers" in text
    assert "✗ threshold  p99_ms < 200: observed 250" in text


def test_a_mutant_and_a_certificate_are_said(good: Verdict) -> None:
    text = shown(replace(good, mutants=("off_by_one",), certified=True))
    assert "MUTANT  off_by_one: this shop is wrong on purpose" in text
    assert "certified as they are" in text


def test_what_comes_from_outside_is_no_markup(good: Verdict) -> None:
    assert "[bold]not ours[/bold]" in shown(replace(good, sentence="[bold]not ours[/bold]"))


def test_a_report_that_is_there_is_named(good: Verdict, tmp_path: Path) -> None:
    (tmp_path / "report.html").touch()
    assert f"report  {tmp_path / 'report.html'}" in shown(good, tmp_path)


def test_a_run_without_a_verdict_is_incomplete(tmp_path: Path) -> None:
    console = Console(width=400, force_terminal=False)
    with console.capture() as said:
        show_incomplete(console, tmp_path)
    assert "? INCOMPLETE" in said.get()
    assert "was not judged" in said.get()


def test_what_is_not_judged_is_one_line_for_each_lack(fair, judged) -> None:
    text = shown(judged(fair(stock=3, buyers=8).declares_all_but("status", "tokens")))
    assert "VALID, 12 of 14 claims judged; 3 seeded · 3 sold" in text
    assert "–  buyers cannot ask what became of an order: told_untrue is not judged  → say how: [http.status]" in text
    assert "leaked is not judged" in text
    assert "0 leaked" not in text


def test_what_is_not_believed_is_told_with_the_reason(good: Verdict) -> None:
    first, *others = good.checks
    odd = replace(first, verdict="UNKNOWN", observed="5 rows", not_believed="no number is a row")
    text = shown(replace(good, verdict="UNKNOWN", checks=(odd, *others)))
    assert f"? {first.name}  observed 5 rows, bound ≤ 3 rows; not believed, as no number is a row" in text
