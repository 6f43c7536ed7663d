"""The comparison of cells: what the page says, of whole matrices and of broken ones."""

import json
import re
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from reports.comparison.compare import compare_matrix, compare_runs

MakeRun = Callable[..., Path]
MakeMatrix = Callable[..., Path]
AXES = {"scheme": ["naive", "tokens"], "dispatch": ["inline", "queued"]}
CAUGHT = {"at": ("naive", "inline"), "sale": "oversold", "expected": "invalid:oversell", "met": True}
SKIPPED = {"at": ("naive", "queued"), "skipped": "naive offers inline <only>"}
GOOD = {"at": ("tokens", "inline"), "sale": "valid", "met": True}
EVIL = '<script>alert("1")</script>'


class Page(HTMLParser):
    """Tags of a page with their attributes, its text, and the squares of its matrix: CSS class and words."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.squares: list[tuple[str, list[str]]] = []
        self.inside = self.within = False
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "table":
            self.inside = "grid" in (dict(attrs).get("class") or "").split()
        self.within = self.inside and (self.within or tag == "td")
        if tag == "td" and self.inside:
            self.squares.append((dict(attrs).get("class") or "", []))

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag != "table"
        self.within = self.within and tag != "td"

    def handle_data(self, data: str) -> None:
        self.text.append(data)
        if self.within and data.strip():
            self.squares[-1][1].append(data.strip())

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())

    @property
    def looks(self) -> list[str]:
        return [look for look, _ in self.squares]

    def square(self, place: int) -> str:
        return " ".join(self.squares[place][1])

    @property
    def conclusion(self) -> str | None:
        return next(found["data-conclusion"] for tag, found in self.tags if "data-conclusion" in found)


def test_every_cell_says_what_it_came_to_and_whether_that_was_expected(make_matrix: MakeMatrix) -> None:
    page = Page(compare_matrix(make_matrix(AXES, CAUGHT, SKIPPED, GOOD)))
    assert page.looks == ["caught", "skipped", "good", "notrun"]
    assert page.square(0).startswith("✗ 26 oversold caught, as expected")
    assert page.square(1).startswith("– skipped naive offers inline <only>")
    assert page.square(2).startswith("✓ 200 sold as expected")
    assert page.square(3).startswith("○ not run")
    assert page.conclusion == "INCOMPLETE"
    assert "4 cells: 2 as expected, 1 of them caught doing wrong; 1 skipped; 1 not run." in page.words


def test_a_caught_control_is_no_alarm(make_matrix: MakeMatrix) -> None:
    page = Page(compare_matrix(make_matrix({"scheme": ["naive"]}, CAUGHT | {"at": ("naive",)})))
    assert page.conclusion == "AS EXPECTED"
    assert ("header", {"class": "banner VALID", "id": "conclusion", "data-conclusion": "AS EXPECTED"}) in page.tags
    assert not [found for _, found in page.tags if "alarm" in (found.get("class") or "").split()]


def test_a_control_that_is_not_caught_is_an_alarm(make_matrix: MakeMatrix) -> None:
    escaped = CAUGHT | {"sale": "valid", "met": False}
    page = Page(compare_matrix(make_matrix(AXES, escaped, GOOD)))
    assert page.conclusion == "NOT AS EXPECTED"
    assert page.looks[0] == "alarm"
    assert page.square(0) == "✓ 200 sold expected ✗ oversell"
    assert "naive · inline: ✓ 200 sold." in page.words


def test_repeats_that_disagree_say_so(make_matrix: MakeMatrix) -> None:
    repeats = [
        GOOD | {"repeat": 1},
        GOOD | {"repeat": 2, "sale": "oversold", "met": False},
        GOOD | {"repeat": 3, "sale": "unknown", "met": False},
    ]
    page = Page(compare_matrix(make_matrix(AXES, *repeats, repeat=4)))
    assert page.square(2) == (
        "✗ 26 oversold 1/4 ? lost unknown 1/4 ✓ 200 sold 1/4 ○ not run 1/4 1 of 3 as expected; expected ✓ valid"
    )


def test_an_errored_cell_says_its_error_in_full(make_matrix: MakeMatrix) -> None:
    error = "the worker was not ready within 30 s; look into logs/worker-1.log"
    page = Page(compare_matrix(make_matrix(AXES, CAUGHT, {"at": ("tokens", "inline"), "met": False, "error": error})))
    assert page.looks[2] == "alarm"
    assert page.square(2).startswith("! failed to run")
    assert f"Failed to run: {error}" in page.words


@pytest.mark.parametrize("part", ["verdict.json", "history.parquet", "samples.parquet", "sale.parquet", "final/orders.parquet", ""])  # fmt: skip
@pytest.mark.parametrize("broken", [False, True])
def test_a_run_directory_in_pieces_crashes_nothing(make_matrix: MakeMatrix, part: str, broken: bool) -> None:
    matrix = make_matrix(AXES, CAUGHT, GOOD)
    path = matrix / "cells/02" / part
    if not part:
        shutil.rmtree(path)
        path.write_text("no directory", encoding="utf-8") if broken else None
    elif broken:
        path.write_bytes(path.read_bytes()[:40])
    else:
        path.unlink()
    page = Page(compare_matrix(matrix))
    assert page.looks[0] == "caught"
    unjudged = part in ("verdict.json", "")
    assert page.looks[2] == ("open" if unjudged else "good")
    assert ("incomplete" in page.square(2)) == unjudged
    missing = [text for text in page.text if part and f"{part} " in text and ("not there" in text or "read" in text)]
    assert missing or part in ("", "verdict.json", "sale.parquet")
    assert not re.search(r"Error:|Missing:", page.words)


def test_a_verdict_that_is_not_the_matrixs_is_pointed_out(make_matrix: MakeMatrix) -> None:
    page = Page(compare_matrix(make_matrix(AXES, GOOD | {"verdict": "INVALID", "met": False})))
    assert page.looks[2] == "open"
    assert "verdict.json says VALID, matrix.json INVALID" in page.words


@pytest.mark.parametrize("run_dir", ["cells/99", "a\0b", 7, None])
def test_a_run_directory_that_is_not_there_is_incomplete(make_matrix: MakeMatrix, run_dir: object) -> None:
    page = Page(compare_matrix(make_matrix(AXES, GOOD | {"run_dir": run_dir})))
    assert page.looks[2] == "open"
    assert page.square(2).startswith("… incomplete")


@pytest.mark.parametrize("absolute", [False, True])
def test_a_run_directory_outside_the_matrix_is_not_read(
    make_matrix: MakeMatrix, make_run: MakeRun, absolute: bool
) -> None:
    outside = make_run("valid")
    page = Page(compare_matrix(make_matrix(AXES, GOOD | {"run_dir": str(outside) if absolute else "../run"})))
    assert page.looks[2] == "open"
    assert "Its run directory is said to lie outside the matrix." in page.words


@pytest.mark.parametrize("content", ["", "[]", "{", '{"axes": 3}', '{"axes": {}, "cells": [1, {"axes": 2}]}'])
def test_a_broken_matrix_file_leaves_the_runs(make_matrix: MakeMatrix, content: str) -> None:
    matrix = make_matrix(AXES, CAUGHT)
    (matrix / "matrix.json").write_text(content, encoding="utf-8")
    page = Page(compare_matrix(matrix))
    if "cells" not in content:
        assert "matrix.json cannot be read" in page.words
        assert "26 oversold" in page.words
    assert page.conclusion in ("COMPARISON", "INCOMPLETE")


def test_no_matrix_is_an_error_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"expected the directory of a matrix"):
        compare_matrix(tmp_path)


def test_three_axes_make_a_table_for_each_value_of_the_third(make_matrix: MakeMatrix) -> None:
    axes = {**AXES, "workers.count": [1, 4]}
    page = Page(compare_matrix(make_matrix(axes, GOOD | {"at": ("tokens", "inline", 4)})))
    assert len([1 for tag, found in page.tags if tag == "table" and "grid" in (found["class"] or "").split()]) == 2
    assert re.findall(r"<h3>(workers[^<]*)</h3>", page.source) == ["workers.count 1", "workers.count 4"]
    assert page.looks == ["notrun"] * 6 + ["good"] + ["notrun"]
    assert "tokens · inline · count 4" in page.words


def test_figures_are_drawn_for_every_cell_and_kept_as_files(make_matrix: MakeMatrix) -> None:
    matrix = make_matrix(AXES, CAUGHT, GOOD)
    page = Page(compare_matrix(matrix))
    images = [found for tag, found in page.tags if tag == "svg" and found.get("role") == "img"]
    assert len(images) == 6
    assert "Promises and rows, units, of naive · inline" in (images[0]["aria-label"] or "")
    assert "1 of 2 cells drawn cross the stock; furthest naive · inline, by 26 (red)." in page.words
    for name in ("progress", "commits", "queue"):
        ET.parse(matrix / f"figures/compare-{name}.svg")  # noqa: S314 - we wrote it
        cells = {
            line.split(",")[0]
            for line in (matrix / f"figures/compare-{name}.csv").read_text(encoding="utf-8").splitlines()
        }
        assert cells == {"cell", "naive · inline", "tokens · inline"}


def test_links_lead_to_reports_that_are_there(make_matrix: MakeMatrix) -> None:
    matrix = make_matrix(AXES, CAUGHT, GOOD)
    (matrix / "cells/02/report.html").unlink()
    page = Page(compare_matrix(matrix))
    files = [link for tag, found in page.tags if tag == "a" and not (link := found["href"] or "").startswith(("#", "data:"))]  # fmt: skip
    assert files == ["cells/01/report.html"]
    anchors = {
        (found["href"] or "")[1:] for tag, found in page.tags if tag == "a" and (found["href"] or "").startswith("#")
    }
    ids = [found["id"] for _, found in page.tags if found.get("id")]
    assert anchors <= set(ids)
    assert len(ids) == len(set(ids))


def test_what_comes_from_outside_is_escaped(make_matrix: MakeMatrix) -> None:
    axes = {f"scheme{EVIL}": [EVIL, "tokens"]}
    cells = [
        {"at": (EVIL,), "sale": "hostile", "expected": EVIL, "met": False},
        {"at": ("tokens",), "met": False, "error": EVIL},
    ]
    matrix = make_matrix(axes, *cells)
    whole = json.loads((matrix / "matrix.json").read_text(encoding="utf-8"))
    (matrix / "matrix.json").write_text(json.dumps(whole | {"name": EVIL}), encoding="utf-8")
    page = Page(compare_matrix(matrix))
    assert "script" not in {tag for tag, _ in page.tags}
    assert not [found for _, found in page.tags for name in found if name.startswith("on")]
    assert page.words.count(EVIL) >= 5
    assert "://" not in page.source
    assert not re.search(r"[\x00-\x08\x0b-\x1f]", page.source)
    for name in ("progress", "commits", "queue"):
        ET.parse(matrix / f"figures/compare-{name}.svg")  # noqa: S314 - we wrote it


def test_no_placeholder_colour_is_left_and_nothing_changes_from_one_time_to_the_next(make_matrix: MakeMatrix) -> None:
    matrix = make_matrix(AXES, CAUGHT)
    first = Page(compare_matrix(matrix)).source
    assert "#fe01" not in first
    assert "#fe01" not in (matrix / "figures/compare-progress.svg").read_text(encoding="utf-8")
    assert first == Page(compare_matrix(matrix)).source


def configured(run: Path, **changed: Any) -> Path:
    """`run` with keys at the top of its experiment changed."""
    text = (run / "experiment.toml").read_text(encoding="utf-8")
    for key, value in changed.items():
        text = re.sub(rf"^{key} = .*$", f"{key} = {json.dumps(value)}", text, flags=re.MULTILINE)
    (run / "experiment.toml").write_text(text, encoding="utf-8")
    return run


@pytest.fixture
def runs(make_run: MakeRun, tmp_path: Path) -> Callable[..., list[Path]]:
    """Copies of one run, each with keys of its experiment changed."""

    def make(*changes: dict[str, Any]) -> list[Path]:
        original = make_run("valid")
        return [
            configured(Path(shutil.copytree(original, tmp_path / f"run-{n}")), **changed)
            for n, changed in enumerate(changes, start=1)
        ]

    return make


def test_runs_of_one_configuration_are_repeats_and_the_rest_are_cells(runs: Any, tmp_path: Path) -> None:
    found = runs({"scheme": "naive"}, {"scheme": "tokens"}, {"scheme": "naive"}, {"scheme": "tokens", "name": "other"})
    page = Page(compare_runs(found, tmp_path / "out/comparison.html"))
    assert page.conclusion == "COMPARISON"
    assert "4 runs of 2 configurations: 4 valid. They differ in scheme." in page.words
    assert [page.square(n) for n in (0, 1)] == ["✓ 200 sold 2/2"] * 2


def test_a_run_given_twice_is_one_run(runs: Any, tmp_path: Path) -> None:
    (run,) = runs({})
    page = Page(compare_runs([run, run], tmp_path / "comparison.html"))
    assert "1 run of 1 configuration: 1 valid." in page.words
    assert "NO BASELINE : only one cell has figures" in page.words


def test_runs_that_differ_in_much_are_a_list(runs: Any, tmp_path: Path) -> None:
    found = runs(
        {"scheme": "a", "stock": 1, "seed": 1, "buyers": 5}, {"scheme": "b", "stock": 2, "seed": 2, "buyers": 5},
        {"scheme": "c", "stock": 2, "seed": 2, "buyers": 7}, {"scheme": "d", "stock": 2, "seed": 2, "buyers": 5},
    )  # fmt: skip
    page = Page(compare_runs(found, tmp_path / "comparison.html"))
    assert page.looks == ["good"] * 4
    assert "a · stock 1 · seed 1" in page.words
    assert "c · buyers 7" in page.words


def test_a_run_that_cannot_be_read_stands_by_its_name(runs: Any, tmp_path: Path) -> None:
    found = runs({"scheme": "naive"}, {"scheme": "tokens"})
    empty = tmp_path / "empty"
    empty.mkdir()
    page = Page(compare_runs([*found, empty, tmp_path / "nowhere"], tmp_path / "comparison.html"))
    assert "4 runs of 4 configurations: 2 valid, 2 incomplete." in page.words
    assert page.looks == ["good", "good", "open", "open"]
    assert "empty" in page.words
    assert "Its run directory is not there: nowhere." in page.words


def test_a_key_that_differs_though_it_is_no_axis_is_pointed_out(make_matrix: MakeMatrix) -> None:
    matrix = make_matrix(AXES, CAUGHT, GOOD)
    configured(matrix / "cells/01", scheme="naive", stock=150)
    page = Page(compare_matrix(matrix))
    table = page.source.partition('id="configuration"')[2]
    keys = re.findall(r'<td>([a-z_.]+)(?: <span class="sub">(no axis)[^<]*</span>)?</td>', table)
    assert ("stock", "no axis") == keys[0]
    assert ("scheme", "") in keys


def recorded(run: Path, **environment: Any) -> Path:
    """`run`, as if it had been held elsewhere, or by other code."""
    path = run / "environment.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | environment), encoding="utf-8")
    return run


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"git_sha": "0123456789ab"}, "commit"), ({"git_sha": "4f0c2d9a7be1+"}, "commit"), ({"git_sha": None}, "commit"),
        ({"cpu_count": 64}, "machine"), ({"cpu_model": "Other CPU"}, "machine"), ({"platform": "Darwin"}, "machine"),
    ],
)  # fmt: skip
def test_runs_of_another_commit_or_machine_are_no_repeats(
    runs: Any, tmp_path: Path, environment: dict[str, Any], named: str
) -> None:
    one, two, other = runs({}, {}, {})
    page = Page(compare_runs([one, two, recorded(other, **environment)], tmp_path / "comparison.html"))
    assert f"3 runs of 2 configurations: 3 valid. They differ in {named}." in page.words


def test_a_replay_of_another_file_is_no_repeat(runs: Any, tmp_path: Path) -> None:
    found = runs({}, {}, {})
    for run, text in zip(found, ("time_s\n0\n", "time_s\n0\n", "time_s\n1\n"), strict=True):
        (run / "arrivals.csv").write_text(text, encoding="utf-8")
        with (run / "experiment.toml").open("a", encoding="utf-8") as experiment:
            experiment.write('[arrivals]\nkind = "replay"\nfile = "mine.csv"\n')
    page = Page(compare_runs(found, tmp_path / "comparison.html"))
    assert "3 runs of 2 configurations: 3 valid. They differ in plan." in page.words


def test_a_repeat_that_was_run_elsewhere_is_left_out_of_the_cells_figures_and_named(make_matrix: MakeMatrix) -> None:
    """A matrix that was resumed on another machine."""
    directory = make_matrix(
        {"scheme": ["tokens"]},
        *({"at": ("tokens",), "sale": "valid", "met": True, "repeat": n} for n in (1, 2, 3)),
        repeat=3,
    )
    recorded(sorted((directory / "cells").iterdir())[2], cpu_count=64)
    page = Page(compare_matrix(directory))
    assert (
        "tokens: 1 of its repeats were not run like the first one, but with another machine, and are left out of its figures"
        in page.words
    )
    assert "machine no axis, and yet not the same" in page.words
