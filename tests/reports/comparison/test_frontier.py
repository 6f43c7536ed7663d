"""The frontier: a point for each cell that was measured, with what was predicted of it."""

import csv
import io
import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reports.comparison.cells import read_matrix
from reports.comparison.compare import compare_matrix
from reports.comparison.frontier import read_points

MakeMatrix = Callable[..., Path]
AXES = {"limiter.rate_per_s": [50, 100, 200], "workers.count": [1]}


@pytest.fixture
def sweep(make_matrix: MakeMatrix) -> Path:
    """Three cells, of which the last has no verdict; predictions of the first two, calibrated on the first."""
    cells = [
        {"at": (50, 1), "sale": "valid", "met": True},
        {"at": (100, 1), "sale": "oversold", "met": False},
        {"at": (200, 1), "sale": "incomplete"},
    ]
    matrix = make_matrix(AXES, *cells)
    set_rate(matrix / "cells/02", 104.0, 2.0)
    predict(matrix, ("cells/01", 52.0, 4.2), ("cells/02", 94.0, 2.2))
    return matrix


def set_rate(run: Path, max_1s: float, drain_s: float) -> None:
    verdict = json.loads((run / "verdict.json").read_text(encoding="utf-8"))
    verdict["rate"]["max_1s"], verdict["drain_s"] = max_1s, drain_s
    (run / "verdict.json").write_text(json.dumps(verdict), encoding="utf-8")


def predict(matrix: Path, *cells: tuple[str, float, float]) -> None:
    said = [{"run_dir": run, "max_1s": peak, "drain_s": drain} for run, peak, drain in cells]
    (matrix / "predictions.json").write_text(json.dumps({"calibrated_on": "cells/01", "cells": said}), encoding="utf-8")


def test_a_point_for_each_cell_that_was_measured(sweep: Path) -> None:
    first, second = read_points(read_matrix(sweep), sweep)
    assert (first.name, first.peak, first.drain_s, first.predicted, first.calibrates) == (
        "50/s × 1",
        52,
        4.2,
        (52.0, 4.2),
        True,
    )
    assert (second.name, second.peak, second.drain_s, second.predicted, second.calibrates) == (
        "100/s × 1",
        104,
        2.0,
        (94.0, 2.2),
        False,
    )


def test_it_is_drawn_told_and_kept_as_files(sweep: Path) -> None:
    page = compare_matrix(sweep).read_text(encoding="utf-8")
    assert "The frontier" in page
    assert (
        "what the model, calibrated on 50/s × 1 alone, predicted of it; at most 10% off in the drain and 10% in the busiest second"
        in " ".join(page.split())
    )
    rows = list(csv.reader(io.StringIO((sweep / "figures/compare-frontier.csv").read_text(encoding="utf-8"))))
    assert rows[1:] == [["50/s × 1", "52.0", "4.2", "52.0", "4.2"], ["100/s × 1", "104.0", "2.0", "94.0", "2.2"]]
    drawn = ET.parse(sweep / "figures/compare-frontier.svg")  # noqa: S314 - we wrote it
    texts = ["".join(text.itertext()) for text in drawn.iter("{http://www.w3.org/2000/svg}text")]
    for said in ("50/s × 1", "100/s × 1", "measured", "predicted: open"):
        assert said in texts
    assert "#fe01" not in page


@pytest.mark.parametrize("content", [None, "", "[]", '{"cells": 3}', '{"calibrated_on": "x", "cells": [{"run_dir": "cells/02", "max_1s": "many", "drain_s": -1}]}'])  # fmt: skip
def test_what_does_not_read_predicts_nothing(sweep: Path, content: str | None) -> None:
    (sweep / "predictions.json").unlink()
    if content is not None:
        (sweep / "predictions.json").write_text(content, encoding="utf-8")
    assert [point.predicted for point in read_points(read_matrix(sweep), sweep)] == [None, None]
    assert "Open:" not in compare_matrix(sweep).read_text(encoding="utf-8")
    assert "predicted: open" not in (sweep / "figures/compare-frontier.svg").read_text(encoding="utf-8")


def test_a_matrix_that_sweeps_no_speed_has_none_and_leaves_none(make_matrix: MakeMatrix) -> None:
    matrix = make_matrix({"scheme": ["a", "b"]}, {"at": ("a",), "sale": "valid"}, {"at": ("b",), "sale": "valid"})
    (matrix / "figures").mkdir()
    (matrix / "figures/compare-frontier.svg").write_text("of an earlier page", encoding="utf-8")
    assert "The frontier" not in compare_matrix(matrix).read_text(encoding="utf-8")
    assert not list((matrix / "figures").glob("compare-frontier.*"))


def test_it_fits_every_window_and_its_names_do_not_touch(make_matrix: MakeMatrix, open_page: Any) -> None:
    rates = [50, 51, 52, 100, 101, 200]
    cells = [{"at": (rate, 1), "sale": "valid", "met": True} for rate in rates]
    matrix = make_matrix({"limiter.rate_per_s": rates, "workers.count": [1]}, *cells)
    for n, rate in enumerate(rates, start=1):
        set_rate(matrix / f"cells/{n:02d}", rate + 2.0, 200 / rate)
    page_file = compare_matrix(matrix)
    boxes = """visible => [...document.querySelectorAll('#frontier svg text')].filter(t => t.textContent.includes('× 1') && t.getClientRects().length)
        .map(t => t.getBoundingClientRect()).map(r => [r.left, r.top, r.right, r.bottom])"""
    for width in (1400, 720, 400):
        for scheme in ("light", "dark"):
            page, said = open_page(page_file, width, scheme)
            assert said == []
            assert page.evaluate("document.documentElement.scrollWidth") == width
            found = page.evaluate(boxes)
            assert len(found) == len(rates)
            overlaps = [
                (a, b)
                for i, a in enumerate(found)
                for b in found[i + 1 :]
                if a[0] < b[2] and b[0] < a[2] and a[1] + 3 < b[3] and b[1] + 3 < a[3]
            ]
            assert overlaps == []
