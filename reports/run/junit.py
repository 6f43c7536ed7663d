"""junit.xml, for a CI server: one test case for each check and each threshold. Reads the verdict, judges nothing."""

from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from reports.files import write_text
from reports.verdict import INCOMPLETE, NOT_JUDGED, Check, Threshold, Verdict


def write_junit(verdict: Verdict, path: Path) -> None:
    """Writes `verdict` to `path`. INVALID is a failure; UNKNOWN and INCOMPLETE are errors; what is not judged is skipped."""
    cases = list(_cases(verdict))
    name = verdict.name or "sale"
    suite = Element("testsuite", name=f"{name}: {verdict.headline}" if verdict.lacks else name, tests=str(len(cases)))
    suite.extend(cases)
    for kind, name in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        suite.set(name, str(sum(case.find(kind) is not None for case in cases)))
    suites = Element("testsuites")
    suites.append(suite)
    indent(suites)
    write_text(path, '<?xml version="1.0" encoding="utf-8"?>\n' + tostring(suites, encoding="unicode") + "\n")


def _cases(verdict: Verdict) -> Iterator[Element]:
    red = False
    for case in (*(_check(check, verdict) for check in verdict.checks), *map(_threshold, verdict.thresholds)):
        red = red or any(part.tag != "skipped" for part in case)
        yield case
    if verdict.state != "VALID" and not red:
        # All checks may pass and the verdict still be UNKNOWN: a CI server must not show that as a pass.
        yield _case("verdict", "verdict", verdict.state, verdict.sentence)


def _check(check: Check, verdict: Verdict) -> Element:
    if check.verdict == NOT_JUDGED:
        add = "; ".join(lack.add for lack in verdict.lacks if check.name in lack.checks)
        return _case("checks", check.name, check.verdict, f"{check.sentence}: {check.observed}; {add}")
    found = f"observed {check.observed}, bound {check.bound}"
    if check.not_believed:
        found += f"; not believed, as {check.not_believed}"
    return _case("checks", check.name, check.verdict, f"{check.sentence}: {found}", "\n".join(check.witnesses))


def _threshold(threshold: Threshold) -> Element:
    state = {True: "VALID", False: "INVALID", None: "UNKNOWN"}[threshold.passed]
    return _case("thresholds", threshold.expression, state, f"observed {threshold.observed}")


def _case(group: str, name: str, state: str, message: str, text: str = "") -> Element:
    case = Element("testcase", classname=group, name=name)
    if state == "INVALID":
        SubElement(case, "failure", message=message, type=state).text = text
    elif state == NOT_JUDGED:
        SubElement(case, "skipped", message=message)
    elif state != "VALID":
        SubElement(case, "error", message=message, type=state or INCOMPLETE).text = text
    return case
