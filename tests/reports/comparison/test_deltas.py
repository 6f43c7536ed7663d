"""Figures beside the first cell's: medians, ranges, and when nothing may be called better."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reports.comparison.cells import Cell, Trial
from reports.comparison.deltas import MEASURES, deltas, refusal
from reports.verdict import Verdict

SETTINGS = {"seed": "1", "buyers": "1,000", "arrivals.kind": "herd", "traffic.double_click": "0", "scheme": "tokens"}
MACHINE = {"platform": "Linux", "cpu_count": 2}
P99 = [measure.name for measure in MEASURES].index("winners p99")
OVERSOLD = [measure.name for measure in MEASURES].index("oversold")


def cell(number: int, *p99_ms: float, settings: Mapping[str, str] = SETTINGS, machine: Any = MACHINE) -> Cell:
    """A cell whose repeats had these p99, and oversold as much by one for each repeat."""
    trials = tuple(
        Trial(
            n, Path("run"), Verdict("VALID", "", counts={"sold": 100, "oversold": n - 1}, drain_s=2.0),
            settings=settings, environment=machine, winners_ms={"p50": 5.0, "p99": value},
        )
        for n, value in enumerate(p99_ms, start=1)
    )  # fmt: skip
    return Cell(number, f"cell {number}", {}, len(trials), trials)


def test_a_figure_is_a_median_with_its_range_and_its_factor() -> None:
    found = deltas([cell(1, 10, 20, 30), cell(2, 100, 60, 80)]).rows
    assert (found[0].figures[P99].median, found[0].figures[P99].range, found[0].figures[P99].delta) == (
        "20",
        "10–30",
        "",
    )
    assert (found[1].figures[P99].median, found[1].figures[P99].range, found[1].figures[P99].delta) == ("80", "60–100", "×4.00")  # fmt: skip


def test_counts_are_compared_by_difference() -> None:
    found = deltas([cell(1, 10), cell(2, 10, 10, 10)]).rows
    assert found[1].figures[OVERSOLD].delta == "+1"
    assert found[1].figures[0].delta == "±0"


@pytest.mark.parametrize(
    ("first", "second", "word"),
    [
        ((10, 15, 20), (30, 35, 40), "worse"),
        ((30, 35, 40), (10, 15, 20), "better"),
        ((10, 15, 30), (20, 35, 40), ""),
        ((10, 15), (30, 35, 40), ""),
        ((10, 15, 20), (30,), ""),
    ],
)
def test_better_and_worse_need_repeats_that_do_not_overlap(first: Any, second: Any, word: str) -> None:
    figure = deltas([cell(1, *first), cell(2, *second)]).rows[1].figures[P99]
    assert figure.word == word
    assert figure.delta.startswith("≈") == (first == (10, 15, 30))


@pytest.mark.parametrize(
    ("settings", "machine", "reason"),
    [
        ({"seed": "2"}, {}, r"the seeds differ \(1, 2\)"),
        ({"buyers": "500"}, {}, r"the arrival plans differ \(buyers 1,000, 500\)"),
        ({"arrivals.kind": "steady"}, {}, r"the arrival plans differ \(arrivals.kind herd, steady\)"),
        ({"traffic.double_click": "0.1"}, {}, "the arrival plans differ"),
        ({}, {"cpu_count": 8}, "the machines differ"),
        ({}, {"platform": "Darwin"}, "the machines differ"),
        ({}, {"platform": None}, "a machine is not recorded"),
    ],
)
def test_nothing_is_better_where_cells_were_not_run_alike(settings: Any, machine: Any, reason: str) -> None:
    other = cell(2, 30, 35, 40, settings=SETTINGS | settings, machine=MACHINE | machine)
    (_, row) = deltas([cell(1, 10, 15, 20), other]).rows
    assert re.search(reason, row.refusal)
    assert row.figures[P99].delta == "×2.33"
    assert not [figure.word for figure in row.figures if figure.word]


def test_what_is_compared_may_differ() -> None:
    assert refusal(cell(2, 1, settings=SETTINGS | {"scheme": "naive"}), cell(1, 1)) == ""


def test_one_cell_has_no_baseline() -> None:
    found = deltas([cell(1, 10, 20)])
    assert found.baseline is None
    assert found.why.startswith("only one cell")


def test_a_first_cell_without_a_verdict_is_no_baseline_and_a_skipped_one_is_not_the_first() -> None:
    unjudged = replace(cell(1, 1), trials=(Trial(1, None, Verdict("INCOMPLETE", "")),))
    assert deltas([unjudged, cell(2, 1), cell(3, 1)]).why.startswith("cell 1 comes first and has no verdict")
    skipped = Cell(1, "skipped", {}, 1, skipped="no sense")
    assert deltas([skipped, cell(2, 1), cell(3, 1)]).baseline == cell(2, 1)
