"""junit.xml agrees with verdict.json, whatever stands in it."""

import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest

from reports.run.junit import write_junit
from reports.verdict import read_verdict

MakeRun = Callable[..., Path]


def suite(run: Path) -> ET.Element:
    write_junit(read_verdict(run / "verdict.json"), run / "junit.xml")
    (found,) = ET.parse(run / "junit.xml").getroot()  # noqa: S314 - we wrote it
    return found


@pytest.mark.parametrize(
    ("sale", "failures", "errors"), [("valid", 0, 0), ("oversold", 1, 0), ("leaky", 2, 0), ("unknown", 0, 1)]
)
def test_one_case_a_check_and_a_threshold(make_run: MakeRun, sale: str, failures: int, errors: int) -> None:
    run = make_run(sale)
    found = suite(run)
    data = json.loads((run / "verdict.json").read_text(encoding="utf-8"))
    assert (len(data["checks"]) + 1, failures, errors) == tuple(
        int(found.attrib[name]) for name in ("tests", "failures", "errors")
    )
    assert len(found) == int(found.attrib["tests"])
    assert len(found.findall("*/failure")) == failures
    assert len(found.findall("*/error")) == errors


def test_an_incomplete_run_is_an_error(make_run: MakeRun) -> None:
    found = suite(make_run("incomplete"))
    assert (found.attrib["tests"], found.attrib["errors"]) == ("1", "1")


def test_a_breached_threshold_fails_and_an_unmeasured_one_errs(make_run: MakeRun) -> None:
    run = make_run("valid")
    data = json.loads((run / "verdict.json").read_text(encoding="utf-8"))
    data["thresholds"] = [
        {"expression": "a < 1", "observed": 2, "passed": False},
        {"expression": "b < 1", "passed": None},
    ]
    (run / "verdict.json").write_text(json.dumps(data), encoding="utf-8")
    found = suite(run)
    assert (found.attrib["failures"], found.attrib["errors"]) == ("1", "1")


def test_a_verdict_worse_than_its_checks_is_not_green(make_run: MakeRun) -> None:
    run = make_run("valid")
    data = json.loads((run / "verdict.json").read_text(encoding="utf-8"))
    (run / "verdict.json").write_text(json.dumps(data | {"verdict": "UNKNOWN"}), encoding="utf-8")
    assert suite(run).attrib["errors"] == "1"


def test_control_characters_do_not_break_the_xml(make_run: MakeRun) -> None:
    (failure,) = suite(make_run("hostile")).findall("*/failure")
    assert "<script>alert" in (failure.text or "")
    assert "\x1b" not in (failure.text or "")


NOT_JUDGED = {
    "name": "phantom", "sentence": "every order was asked for", "verdict": "NOT_JUDGED", "observed": "rows have no buyer", "bound": "–",
    "witnesses": [],
}  # fmt: skip
SCOPE = {
    "units": "counted", "judged": 6, "claims": 7,
    "lacks": [{"text": "rows have no buyer", "checks": ["phantom"], "add": "select it AS buyer"}],
}  # fmt: skip


def with_lack(run: Path) -> Path:
    data = json.loads((run / "verdict.json").read_text(encoding="utf-8"))
    data |= {"checks": [*data["checks"], NOT_JUDGED], "scope": SCOPE}
    (run / "verdict.json").write_text(json.dumps(data), encoding="utf-8")
    return run


def test_what_is_not_judged_is_skipped_with_what_to_add(make_run: MakeRun) -> None:
    found = suite(with_lack(make_run("valid")))
    assert ("1", "0", "0", "rush: VALID, 6 of 7 claims judged") == tuple(
        found.attrib[name] for name in ("skipped", "failures", "errors", "name")
    )
    (skipped,) = found.findall("*/skipped")
    assert "every order was asked for: rows have no buyer; select it AS buyer" == skipped.attrib["message"]


def test_a_skipped_check_does_not_hide_an_unknown_verdict(make_run: MakeRun) -> None:
    run = with_lack(make_run("valid"))
    data = json.loads((run / "verdict.json").read_text(encoding="utf-8"))
    (run / "verdict.json").write_text(json.dumps(data | {"verdict": "UNKNOWN"}), encoding="utf-8")
    assert suite(run).attrib["errors"] == "1"
