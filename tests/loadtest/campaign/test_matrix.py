from pathlib import Path

import pytest

from loadtest.campaign.matrix import expected_of, plan_cells
from loadtest.errors import UsageError
from loadtest.experiment.files import lay_over, load_experiment
from loadtest.experiment.schema import Expectation, Experiment
from loadtest.stack.external import Given

SMALL = """
[limiter]
kind = "none"
[matrix]
scheme = ["row_lock", "naive"]
dispatch = ["inline", "queued"]
"""


def test_without_an_expectation_a_cell_must_be_valid() -> None:
    assert expected_of({"scheme": "tokens"}, ()) == "valid"


def test_the_last_expectation_that_fits_counts() -> None:
    told = (
        Expectation(where={"scheme": "naive"}, verdict="invalid"),
        Expectation(where={"scheme": "naive", "dispatch": "queued"}, verdict="unknown"),
    )
    assert expected_of({"scheme": "naive", "dispatch": "queued"}, told) == "unknown"
    assert expected_of({"scheme": "naive", "dispatch": "inline"}, told) == "invalid"


def test_every_combination_is_a_cell_and_one_that_makes_no_sense_says_why(tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(SMALL, encoding="utf-8")
    cells = list(plan_cells(load_experiment(str(tmp_path / "small.toml")), Given(), tmp_path, repeat=2))
    assert len(cells) == 8
    skipped = [cell for cell in cells if cell.skipped]
    assert [(cell.axes["scheme"], cell.axes["dispatch"]) for cell in skipped] == [("row_lock", "queued")] * 2 + [
        ("naive", "queued")
    ] * 2
    assert "inline" in (skipped[0].skipped or "")
    assert [cell.path.name for cell in cells[:2]] == ["01-row_lock-inline-r1", "01-row_lock-inline-r2"]


def test_an_axis_that_is_no_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown key 'schem'; nearest valid: 'scheme'"):
        list(plan_cells(Experiment(matrix={"schem": ["naive"]}), Given(), tmp_path, repeat=1))


def test_named_cells_are_an_axis_of_their_own(tmp_path: Path) -> None:
    shaving = load_experiment("shaving")
    cells = list(plan_cells(shaving, Given(), tmp_path, repeat=1))
    assert [(cell.label, cell.expected, cell.skipped) for cell in cells] == [
        ("inline", "valid", None), ("unlimited", "valid", None), ("native", "invalid:flatness", None),
        ("flat", "valid", None), ("shared", "valid", None),
    ]  # fmt: skip
    allowed = [cell.planned.experiment.configured_per_s for cell in cells if cell.planned]
    assert allowed == [None, None, 400, 400, 400]


def test_a_wrong_key_of_a_cell_names_the_cell(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cells.slow: unknown key 'limiter.rate'; nearest valid: 'limiter"):
        list(plan_cells(Experiment(cells={"slow": {"limiter": {"rate": 5}}}), Given(), tmp_path, repeat=1))


def test_laying_over_checks_the_whole() -> None:
    assert lay_over(Experiment(), {"limiter.rate_per_s": 7}, "test").limiter.rate_per_s == 7
    with pytest.raises(UsageError, match="stock = 0"):
        lay_over(Experiment(), {"stock": 0}, "test")
