"""What a report says of what was not judged, of what is not believed, and of what the shop answered."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reports.comparison.cells import Cell, Trial
from reports.comparison.grid import square
from reports.run.build import build
from reports.run.figures.conservation import Way, counted_ways, totals
from reports.run.summary import summary
from reports.verdict import read_verdict

MakeRun = Callable[..., Path]
EVIL = "<script>alert(1)</script>"
SCOPE = {
    "units": "counted", "judged": 6, "claims": 7,
    "lacks": [{"text": "rows have no buyer", "checks": ["per_buyer", "phantom"], "add": "select it AS buyer in [final] rows"}],
}  # fmt: skip
SKIPPED = {
    "name": "phantom", "sentence": "every order was asked for", "verdict": "NOT_JUDGED", "observed": "rows have no buyer", "bound": "–",
    "witnesses": [],
}  # fmt: skip
ODD = {
    "name": "wrong_owner", "sentence": "every order is its buyer's", "verdict": "UNKNOWN", "observed": "9 rows", "bound": "0",
    "witnesses": ["row 1 of 17"], "not_believed": "none of the buyers in 9 rows is one who asked",
}  # fmt: skip
ANSWER = {
    "kind": "buy",
    "request": "POST /buy",
    "status": 422,
    "outcome": "unknown",
    "rule": None,
    "body": EVIL,
    "n": 1200,
}


@pytest.fixture(autouse=True)
def _no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    from reports.run.figures import FIGURES

    monkeypatch.setattr("reports.run.build.FIGURES", {"conservation": FIGURES["conservation"]})


def changed(run: Path, **more: Any) -> Path:
    data = json.loads((run / "verdict.json").read_text(encoding="utf-8"))
    data["checks"] += more.pop("checks", [])
    sentence = f"VALID, 6 of 7 claims judged; {data['sentence']}"
    (run / "verdict.json").write_text(
        json.dumps(data | {"scope": SCOPE, "sentence": sentence} | more), encoding="utf-8"
    )
    return run


def test_the_page_has_it_in_grey_and_says_what_to_add(make_run: MakeRun) -> None:
    page = build(changed(make_run("valid"), checks=[SKIPPED])).read_text(encoding="utf-8")
    assert '<tr class="NOT_JUDGED">' in page
    assert '<span class="tag NOT_JUDGED">– NOT JUDGED</span>' in page
    assert "<p>VALID, 6 of 7 claims judged; 200 seeded" in page
    assert "<li>rows have no buyer: per buyer, phantom. <em>select it AS buyer in [final] rows</em></li>" in page


def test_a_page_where_everything_was_judged_says_nothing_of_it(make_run: MakeRun) -> None:
    page = build(make_run("valid")).read_text(encoding="utf-8")
    assert 'id="not-judged"' not in page
    assert 'id="answers"' not in page


def test_what_is_not_believed_is_there_with_the_reason(make_run: MakeRun) -> None:
    run = changed(make_run("unknown"), checks=[ODD])
    page = build(run).read_text(encoding="utf-8")
    assert "<p>Not believed: none of the buyers in 9 rows is one who asked.</p>" in page
    assert "<li>row 1 of 17</li>" in page
    assert "observed 9 rows, bound 0; not believed, as none of the buyers in 9 rows" in (run / "summary.md").read_text(
        encoding="utf-8"
    )
    assert "not believed, as none of the buyers" in (run / "junit.xml").read_text(encoding="utf-8")


def test_answers_are_folded_away_escaped_and_cut(make_run: MakeRun) -> None:
    long = ANSWER | {"body": "x" * 5000, "rule": 1, "status": None}
    page = build(changed(make_run("valid"), answers=[ANSWER, long])).read_text(encoding="utf-8")
    assert "<details><summary>The first bodies of each kind of answer</summary>" in page
    assert "<code>&lt;script&gt;alert(1)&lt;/script&gt;</code>" in page
    assert EVIL not in page
    assert f"<code>{'x' * 500} …</code>" in page
    assert ">1,200</td>" in page


def test_the_summary_lists_what_to_add(make_run: MakeRun) -> None:
    text = summary(read_verdict(changed(make_run("valid"), checks=[SKIPPED]) / "verdict.json"))
    assert "VALID, 6 of 7 claims judged; 200 seeded" in text
    assert "- rows have no buyer: per\\_buyer, phantom. select it AS buyer in \\[final\\] rows" in text
    assert "NOT" not in text


def test_a_square_of_a_comparison_says_how_much_was_judged(make_run: MakeRun) -> None:
    run = changed(make_run("valid"))
    cell = Cell(1, "one", {}, 1, (Trial(1, run, read_verdict(run / "verdict.json")),))
    assert ("6 of 7 claims judged", "good") == (square(cell).scope, square(cell).look)


@pytest.mark.parametrize(
    "scope", [None, [], {"judged": "six"}, {"lacks": 3}, {"lacks": [{"checks": None}], "judged": True}]
)
def test_a_scope_that_does_not_read_is_left_out(make_run: MakeRun, scope: Any) -> None:
    run = changed(make_run("valid"), scope=scope)
    assert "VALID" == read_verdict(run / "verdict.json").headline
    build(run)


@pytest.mark.parametrize(("counts", "left", "ways"), [
    ({"stock": 9, "promised": 9, "sold": 9}, 0, [("promised", "stored", 9)]),
    ({"stock": 9, "promised": 5, "sold": 5}, 4, [("promised", "stored", 5), ("never taken", "left", 4)]),
    ({"stock": 9, "promised": 0, "sold": 9}, -40, [("taken, not promised", "stored", 9)]),
    ({"stock": 9, "promised": 12, "sold": 12, "oversold": 3}, 0, [("promised", "stored", 9), ("taken, not promised", "stored", 3)]),
    ({"stock": 9, "promised": 9, "sold": 7, "lost": 2}, 0, [("promised", "stored", 7), ("promised", "lost", 2)]),
    ({"stock": 9, "promised": 7, "sold": 7}, 1, [("promised", "stored", 7), ("never taken", "left", 1), ("taken, not promised", "leaked", 1)]),
    ({"stock": 9, "promised": 5, "sold": 5}, None, [("promised", "stored", 5), ("never taken", "left", 4)]),
    ({}, None, []),
])  # fmt: skip
def test_every_counted_unit_takes_one_way(
    counts: dict[str, float], left: int | None, ways: list[tuple[str, str, int]]
) -> None:
    found = counted_ways(counts, left)
    assert ways == [(*way.nodes[1:], way.units) for way in found]
    assert totals(found)["seeded"] == (counts.get("stock") or 0)
    assert all(isinstance(way, Way) for way in found)


def test_a_counted_run_has_its_flow_without_a_file_of_numbers(make_run: MakeRun) -> None:
    run = changed(make_run("valid"))
    (run / "final" / "seeded.parquet").unlink()
    (run / "scope.json").write_text(json.dumps({"units": "counted", "declared": ["rows", "left"]}), encoding="utf-8")
    page = build(run).read_text(encoding="utf-8")
    assert "Of 200 seeded units: 200 stored" in page
    assert "Missing from the run directory" not in page


def test_an_older_verdict_says_how_to_have_it_anew(make_run: MakeRun) -> None:
    run = changed(make_run("valid"), schema_version=1)
    assert (
        "verdict.json has schema 1; this version reads 2: judge it anew with loadtest verify."
        == read_verdict(run / "verdict.json").sentence
    )
