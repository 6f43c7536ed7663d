"""The report of a run directory, whole or not: what it says, and that nothing from outside gets through."""

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import duckdb
import pytest

from reports.drawing import drawing
from reports.drawing.canvas import WIDE, Format
from reports.drawing.chart import Chart
from reports.run.build import build
from reports.run.figures import FIGURES

MakeRun = Callable[..., Path]
ReportOf = Callable[[str], Path]
PARTS = ["history.parquet", "samples.parquet", "sale.parquet", "experiment.toml", "environment.json"]
PARTS += [f"final/{name}.parquet" for name in ("seeded", "orders", "tokens", "claims", "rejected", "queue")]


class Page(HTMLParser):
    """Every tag of a page with its attributes, and its text outside style."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.fixture
def few_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """To draw them all is nearly the whole work, and most words of a report do not depend on it."""
    monkeypatch.setattr(
        "reports.run.build.FIGURES", {name: FIGURES[name] for name in ("conservation", "latency", "tester")}
    )


@pytest.fixture
def wide_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each figure drawn once: the narrow one is made of the same data."""
    drawn: dict[str, Any] = {}

    def once(chart: Chart, form: Format, draw: Any = drawing._drawn) -> Any:
        if form is WIDE:
            drawn[chart.title] = draw(chart, form)
        return drawn[chart.title]

    monkeypatch.setattr(drawing, "_drawn", once)


def read(report: Path) -> tuple[str, Page]:
    text = report.read_text(encoding="utf-8")
    return text, Page(text)


@pytest.mark.parametrize(
    ("word", "sale"),
    [("VALID", "valid"), ("INVALID", "oversold"), ("UNKNOWN", "unknown"), ("INCOMPLETE", "incomplete")],
)
def test_banner_says_what_the_verdict_says(report_of: ReportOf, word: str, sale: str) -> None:
    text, page = read(report_of(sale))
    (banner,) = (found for tag, found in page.tags if tag == "header")
    assert (banner["class"], banner["data-verdict"]) == (f"banner {word}", word)
    assert f"<h1>{word}<small>" in text
    assert f"<title>{word} · rush</title>" in text


@pytest.mark.usefixtures("few_figures")
def test_banner_and_numbers_follow_the_verdict_and_not_the_tables(make_run: MakeRun) -> None:
    run = make_run("valid")
    verdict = json.loads((run / "verdict.json").read_text(encoding="utf-8"))
    verdict |= {"verdict": "UNKNOWN", "sentence": "Nobody looked."}
    verdict["counts"]["oversold"] = 7
    (run / "verdict.json").write_text(json.dumps(verdict), encoding="utf-8")
    text, _ = read(build(run))
    assert "Nobody looked." in text
    assert re.search(r'class="bad"><dt>oversold</dt><dd>7<', text)


@pytest.mark.usefixtures("few_figures")
def test_units_in_two_places_are_not_called_unsold_for_ever(make_run: MakeRun) -> None:
    run = make_run("valid")
    verdict = json.loads((run / "verdict.json").read_text(encoding="utf-8"))
    verdict["counts"] |= {"leaked": 0, "misplaced": 125}
    (run / "verdict.json").write_text(json.dumps(verdict), encoding="utf-8")
    text, _ = read(build(run))
    assert re.search(r'class="bad"><dt>leaked</dt><dd>0<span>units unsold for ever; 125 more in two places<', text)
    assert "| leaked | in two places |" in (run / "summary.md").read_text(encoding="utf-8")


@pytest.mark.usefixtures("few_figures")
@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '{"verdict": "GREEN"}',
        '{"verdict": "VALID", "schema_version": 9}',
        '{"verdict": "VALID", "schema_version": 1}',
    ],
)
def test_a_verdict_that_cannot_be_read_is_incomplete(make_run: MakeRun, content: str) -> None:
    run = make_run("valid")
    (run / "verdict.json").write_text(content, encoding="utf-8")
    _, page = read(build(run))
    assert ("header", {"class": "banner INCOMPLETE", "id": "verdict", "data-verdict": "INCOMPLETE"}) in page.tags


def test_every_figure_is_drawn_of_a_whole_run(report_of: ReportOf) -> None:
    report = report_of("valid")
    text, page = read(report)
    assert "Not drawn" not in text
    images = [found for tag, found in page.tags if tag == "svg" and found.get("role") == "img"]
    assert [found["class"] for found in images] == ["wide", "narrow"] * len(FIGURES)
    assert all(found["aria-label"] for found in images)
    for name in FIGURES:
        drawing = ET.parse(report.parent / "figures" / f"{name}.svg")  # noqa: S314 - we wrote it
        assert drawing.getroot().tag == "{http://www.w3.org/2000/svg}svg"
        assert len((report.parent / "figures" / f"{name}.csv").read_text(encoding="utf-8").splitlines()) > 1


def test_ids_are_unique_and_every_reference_has_one(report_of: ReportOf) -> None:
    text, page = read(report_of("oversold"))
    ids = [found["id"] for _, found in page.tags if found.get("id")]
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', text)) <= set(ids)


def test_no_placeholder_colour_is_left(report_of: ReportOf) -> None:
    report = report_of("oversold")
    text, _ = read(report)
    drawings = [path.read_text(encoding="utf-8") for path in (report.parent / "figures").glob("*.svg")]
    assert not [found for found in (text, *drawings) if "#fe01" in found]


@pytest.mark.usefixtures("wide_only")
@pytest.mark.parametrize("part", PARTS)
def test_a_missing_file_is_named_and_crashes_nothing(make_run: MakeRun, part: str) -> None:
    run = make_run("valid")
    (run / part).unlink()
    text, _ = read(build(run))
    assert f"{part} is not there" in text or part.endswith(("toml", "json"))
    assert "Error" not in " ".join(re.findall(r'class="absent">([^<]*)', text))


@pytest.mark.usefixtures("wide_only")
@pytest.mark.parametrize("part", PARTS)
def test_a_broken_file_is_named_and_crashes_nothing(make_run: MakeRun, part: str) -> None:
    run = make_run("valid")
    content = (run / part).read_bytes()
    (run / part).write_bytes(content[: len(content) // 2])
    text, _ = read(build(run))
    assert f"{part} cannot be read" in text or part.endswith(("toml", "json"))


@pytest.mark.usefixtures("few_figures")
@pytest.mark.parametrize(
    ("load", "told"),
    [
        ({"fire_spread_ms": 40}, "From the first to the last buyer the herd took 40 ms to fire; no request was sent"),
        ({}, "No request was sent"),
    ],
)
def test_only_a_herd_is_told_by_how_long_it_took_to_fire(make_run: MakeRun, load: dict[str, float], told: str) -> None:
    run = make_run("valid")
    verdict = json.loads((run / "verdict.json").read_text(encoding="utf-8"))
    (run / "verdict.json").write_text(json.dumps(verdict | {"load": load}), encoding="utf-8")
    text, _ = read(build(run))
    assert f"</b> {told}" in text


@pytest.mark.usefixtures("few_figures")
def test_what_is_not_known_is_not_called_good(make_run: MakeRun) -> None:
    run = make_run("incomplete")
    (run / "history.parquet").unlink()
    text, _ = read(build(run))
    assert "No request failed" not in text
    assert "None was raised" not in text
    assert "requests, peak 0" not in text


@pytest.mark.usefixtures("few_figures")
def test_what_a_killed_generator_had_begun_is_told_without_its_times(make_run: MakeRun) -> None:
    run = make_run("unknown")
    history = run / "history.parquet"
    with duckdb.connect() as db:
        begun = "outcome = 'unknown' AND buyer = (SELECT min(buyer) FROM it WHERE outcome = 'unknown')"
        times = ", ".join(
            f"CASE WHEN {begun} THEN NULL ELSE {name}_ns END AS {name}_ns" for name in ("scheduled", "start", "end")
        )
        db.execute(f"CREATE TABLE it AS FROM '{history}'")
        (buyer,) = db.sql(f"SELECT buyer FROM it WHERE {begun}").fetchall()[0]
        db.sql(f"SELECT * REPLACE ({times}) FROM it").write_parquet(str(history))
    text, _ = read(build(run))
    row = text[text.index(f"<td>{buyer}</td>") :].split("</tr>")[0]
    assert ">–</td>" in row
    assert "no row" in row


def test_an_empty_run_directory_is_incomplete(tmp_path: Path) -> None:
    text, page = read(build(tmp_path))
    assert ("header", {"class": "banner INCOMPLETE", "id": "verdict", "data-verdict": "INCOMPLETE"}) in page.tags
    assert text.count("Not drawn") == len(FIGURES)


@pytest.mark.usefixtures("few_figures")
def test_a_figure_that_can_no_longer_be_drawn_leaves_no_old_file(make_run: MakeRun) -> None:
    run = make_run("valid")
    build(run)
    assert (run / "figures/latency.svg").exists()
    (run / "history.parquet").unlink()
    build(run)
    assert not (run / "figures/latency.svg").exists()


def test_no_run_directory_is_an_error_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="expected a run directory"):
        build(tmp_path / "nowhere")


def test_what_comes_from_outside_is_escaped(report_of: ReportOf) -> None:
    text, page = read(report_of("hostile"))
    assert "script" not in {tag for tag, _ in page.tags}
    assert not [found for _, found in page.tags for name in found if name.startswith("on")]
    assert not re.search(r"[\x00-\x08\x0b-\x1f]", text)
    shown = "".join(page.text)
    assert shown.count('<script>alert("1")</script>') >= 4  # witnesses, unknown orders, errors


def test_names_of_outcomes_and_faults_are_escaped_in_figures(report_of: ReportOf) -> None:
    report = report_of("hostile")
    text, page = read(report)
    shown = "".join(page.text)
    assert "<b>kill</b> $x$" in shown  # a fault's label
    assert "<i>odd</i>" in shown  # an outcome's
    assert not {"i", "b>kill"} & {tag for tag, _ in page.tags}
    assert "<b>kill" not in text
    for svg in (report.parent / "figures").glob("*.svg"):
        ET.parse(svg)  # noqa: S314 - we wrote it


def test_nothing_is_fetched(report_of: ReportOf) -> None:
    text, page = read(report_of("valid"))
    assert "://" not in text
    links = [found.get(name) or "" for _, found in page.tags for name in ("href", "src", "xlink:href") if name in found]
    assert [link for link in links if not re.match(r"#|data:|[\w./-]+$", link)] == []


def test_linked_files_are_there(report_of: ReportOf) -> None:
    report = report_of("valid")
    _, page = read(report)
    links = [found["href"] or "" for tag, found in page.tags if tag == "a"]
    files = [link for link in links if not link.startswith(("#", "data:"))]
    assert {"verdict.json", "junit.xml", "summary.md", "history.parquet", "logs/worker-1.log"} <= set(files)
    assert [file for file in files if not (report.parent / file).exists()] == []


def test_the_same_run_gives_the_same_report(report_of: ReportOf) -> None:
    before, _ = read(report_of("oversold"))
    assert before == read(build(report_of("oversold").parent))[0]
