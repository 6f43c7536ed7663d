"""The report of a run directory, whole or not: what it says, and that nothing from outside gets through."""

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from reports.build import build
from reports.figures import FIGURES

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


def test_banner_and_numbers_follow_the_verdict_and_not_the_tables(make_run: MakeRun) -> None:
    run = make_run("valid")
    verdict = json.loads((run / "verdict.json").read_text())
    verdict |= {"verdict": "UNKNOWN", "sentence": "Nobody looked."}
    verdict["counts"]["oversold"] = 7
    (run / "verdict.json").write_text(json.dumps(verdict))
    text, _ = read(build(run))
    assert "Nobody looked." in text
    assert re.search(r'class="bad"><dt>oversold</dt><dd>7<', text)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"verdict": "GREEN"}', '{"verdict": "VALID", "schema_version": 9}']
)
def test_a_verdict_that_cannot_be_read_is_incomplete(make_run: MakeRun, content: str) -> None:
    run = make_run("valid")
    (run / "verdict.json").write_text(content)
    _, page = read(build(run))
    assert ("header", {"class": "banner INCOMPLETE", "id": "verdict", "data-verdict": "INCOMPLETE"}) in page.tags


def test_every_figure_is_drawn_of_a_whole_run(make_run: MakeRun) -> None:
    run = make_run("valid")
    text, page = read(build(run))
    assert "Not drawn" not in text
    images = [found for tag, found in page.tags if tag == "svg" and found.get("role") == "img"]
    assert [found["class"] for found in images] == ["wide", "narrow"] * len(FIGURES)
    assert all(found["aria-label"] for found in images)
    for name in FIGURES:
        drawing = ET.parse(run / "figures" / f"{name}.svg")  # noqa: S314 - we wrote it
        assert drawing.getroot().tag == "{http://www.w3.org/2000/svg}svg"
        assert len((run / "figures" / f"{name}.csv").read_text().splitlines()) > 1


def test_ids_are_unique_and_every_reference_has_one(report_of: ReportOf) -> None:
    text, page = read(report_of("oversold"))
    ids = [found["id"] for _, found in page.tags if found.get("id")]
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', text)) <= set(ids)


def test_no_placeholder_colour_is_left(make_run: MakeRun) -> None:
    run = make_run("oversold")
    text, _ = read(build(run))
    drawings = [path.read_text() for path in (run / "figures").glob("*.svg")]
    assert not [found for found in (text, *drawings) if "#fe01" in found]


@pytest.mark.parametrize("part", PARTS)
def test_a_missing_file_is_named_and_crashes_nothing(make_run: MakeRun, part: str) -> None:
    run = make_run("valid")
    (run / part).unlink()
    text, _ = read(build(run))
    assert f"{part} is not there" in text or part.endswith(("toml", "json"))
    assert "Error" not in " ".join(re.findall(r'class="absent">([^<]*)', text))


@pytest.mark.parametrize("part", PARTS)
def test_a_broken_file_is_named_and_crashes_nothing(make_run: MakeRun, part: str) -> None:
    run = make_run("valid")
    content = (run / part).read_bytes()
    (run / part).write_bytes(content[: len(content) // 2])
    text, _ = read(build(run))
    assert f"{part} cannot be read" in text or part.endswith(("toml", "json"))


def test_what_is_not_known_is_not_called_good(make_run: MakeRun) -> None:
    run = make_run("incomplete")
    (run / "history.parquet").unlink()
    text, _ = read(build(run))
    assert "No request failed" not in text
    assert "None was raised" not in text
    assert "requests, peak 0" not in text


def test_an_empty_run_directory_is_incomplete(tmp_path: Path) -> None:
    text, page = read(build(tmp_path))
    assert ("header", {"class": "banner INCOMPLETE", "id": "verdict", "data-verdict": "INCOMPLETE"}) in page.tags
    assert text.count("Not drawn") == len(FIGURES)


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


def test_names_of_outcomes_and_faults_are_escaped_in_figures(make_run: MakeRun) -> None:
    run = make_run("hostile")
    text, page = read(build(run))
    shown = "".join(page.text)
    assert "<b>kill</b> $x$" in shown  # a fault's label
    assert "<i>odd</i>" in shown  # an outcome's
    assert not {"i", "b>kill"} & {tag for tag, _ in page.tags}
    assert "<b>kill" not in text
    for drawing in (run / "figures").glob("*.svg"):
        ET.parse(drawing)  # noqa: S314 - we wrote it


def test_nothing_is_fetched(report_of: ReportOf) -> None:
    text, page = read(report_of("valid"))
    assert "://" not in text
    links = [found.get(name) or "" for _, found in page.tags for name in ("href", "src", "xlink:href") if name in found]
    assert [link for link in links if not re.match(r"#|data:|[\w./-]+$", link)] == []


def test_linked_files_are_there(make_run: MakeRun) -> None:
    run = make_run("valid")
    _, page = read(build(run))
    links = [found["href"] or "" for tag, found in page.tags if tag == "a"]
    files = [link for link in links if not link.startswith(("#", "data:"))]
    assert {"verdict.json", "junit.xml", "summary.md", "history.parquet", "logs/worker-1.log"} <= set(files)
    assert [file for file in files if not (run / file).exists()] == []


def test_the_same_run_gives_the_same_report(make_run: MakeRun) -> None:
    run = make_run("oversold")
    assert read(build(run))[0] == read(build(run))[0]
