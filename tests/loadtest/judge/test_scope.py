"""Scope: what the manifest does not declare is not judged, and told with what to add; what it declares and was not read is unknown."""

import json

import pytest

from loadtest.judge.checks import CHECKS
from loadtest.judge.verdict import conclude, judge, read_verdict


def not_judged(verdict):
    return {check.name for check in verdict.checks if check.verdict == "NOT_JUDGED"}


def texts(verdict):
    return " | ".join(f"{doubt.text} → {doubt.remedy}" for doubt in verdict.doubts)


LACKS = {
    "rows.buyer": ({"wrong_owner", "per_buyer", "phantom", "lockout"}, "AS buyer", "rows have no buyer"),
    "rows.created_at": ({"flatness"}, "created_at", "no time of creation"),
    "tokens": ({"leaked"}, "[final] tokens", "still for sale"),
    "status": ({"told_untrue"}, "[http.status]", "cannot ask"),
    "number": ({"double_promise", "wrong_owner"}, "number under [http.buy]", "no answer tells"),
}


def lacking(fair, names):
    told = fair().declares_all_but(*names)
    for row in told.tables["orders"]:
        row |= {
            column: None
            for name, column in (("rows.buyer", "buyer"), ("rows.created_at", "created_ns"))
            if name in names
        }
    return told


@pytest.mark.parametrize("name", LACKS)
def test_what_is_not_declared_is_not_judged_and_the_rest_is(fair, judged, name):
    checks, add, said = LACKS[name]
    verdict = judged(lacking(fair, [name]))
    assert ("VALID", 0, checks) == (verdict.verdict, verdict.exit_code, not_judged(verdict)), texts(verdict)
    assert verdict.sentence.startswith(f"VALID, {14 - len(checks)} of 14 claims judged; 3 seeded")
    (lack,) = verdict.scope.lacks
    assert set(lack.checks) == checks
    assert add in lack.add
    assert said in lack.text


def test_one_lack_is_one_line(fair, judged):
    (lack,) = judged(lacking(fair, ["rows.buyer"])).scope.lacks
    assert "rows have no buyer: wrong_owner, per_buyer, phantom, lockout are not judged" == lack.line


def test_with_everything_declared_nothing_is_said_of_it(fair, judged):
    verdict = judged(fair().declares_all_but())
    assert ("VALID", 14, 14, ()) == (verdict.verdict, verdict.scope.judged, verdict.scope.claims, verdict.scope.lacks)
    assert "3 seeded · 3 sold · 0 oversold · 0 lost · 0 duplicated · 0 leaked" == verdict.sentence


def test_a_run_without_a_scope_is_judged_as_if_all_was_declared(fair, judged):
    assert (judged(fair()).checks, 14) == (judged(fair().declares_all_but()).checks, judged(fair()).scope.judged)


def test_an_undeclared_set_may_be_absent_and_a_declared_one_may_not(fair, judged):
    optional = ("claims", "rejected", "queue", "queue.entries", "near_misses")
    told = fair().without("claims", "rejected", "queue")
    assert "VALID" == judged(told.declares_all_but(*optional)).verdict
    verdict = judged(told.declares_all_but())
    assert ("UNKNOWN", True) == (verdict.verdict, "claims missing" in texts(verdict))


def test_rows_that_could_not_be_read_are_unknown_whatever_their_columns_are(fair, judged):
    told = fair().without("orders").declares_all_but("rows.number", "rows.buyer", "rows.created_at")
    assert ("UNKNOWN", set()) == (judged(told).verdict, not_judged(judged(told)))


def test_a_mistake_in_what_is_judged_is_invalid_and_says_how_much_was(fair, judged):
    verdict = judged(fair().buys("b-9", won="s-9").declares_all_but("status"))
    assert ("INVALID", "INVALID, 13 of 14 claims judged") == (verdict.verdict, verdict.sentence.split(";")[0])


def test_what_is_not_judged_has_no_count(fair, judged):
    verdict = judged(lacking(fair, ["rows.buyer", "tokens"]).buys("b-7", "unknown"))
    assert (None, None, None) == (verdict.counts.phantom, verdict.counts.leaked, verdict.counts.unresolved)
    assert "leaked" not in verdict.sentence
    assert "1 unknown reply" == verdict.sentence.split("; ")[2]


@pytest.mark.parametrize(("names", "add"), [
    (["rows.number"], "select the order's id AS number"),
    (["seeded"], "[units] kind"),
    (["won", "status", "tokens"], "[http.status]"),
])  # fmt: skip
def test_without_oversell_or_without_both_lost_and_the_balance_nothing_is_proven(fair, judged, names, add):
    told = fair().declares_all_but(*names)
    if "rows.number" in names:
        for row in told.tables["orders"]:
            row["number"] = None
    if "seeded" in names:
        told.without("seeded")
    verdict = judged(told)
    assert ("UNKNOWN", True) == (verdict.verdict, "too little can be judged" in verdict.sentence), verdict.sentence
    assert add in texts(verdict)


def test_the_balance_is_enough_beside_oversell(history, judged):
    told = history(2).counted(but=("won", "status", "number"))
    for n in range(4):
        told.buys(f"b-{n}", "accepted")
    verdict = judged(told.row("9", "b-0").row("8", "b-1"))
    assert ("VALID", True) == (verdict.verdict, "lost" in not_judged(verdict)), texts(verdict)
    assert "UNKNOWN" == judged(told.counted(but=("won", "status", "number", "left"))).verdict


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"units": "some", "declared": []}',
        '{"units": "counted"}',
        '{"units": "counted", "declared": 3}',
    ],
)
def test_a_scope_that_does_not_read_proves_nothing(fair, tmp_path, text):
    run_dir = fair().row("t-1", "b-9").write(tmp_path)
    (run_dir / "scope.json").write_text(text, encoding="utf-8")
    verdict = judge(run_dir)
    assert ("UNKNOWN", True) == (verdict.verdict, "scope.json does not parse" in texts(verdict))


def test_it_is_written_and_read_back(fair, tmp_path):
    verdict = conclude(lacking(fair, ["rows.buyer"]).write(tmp_path))
    assert verdict == read_verdict(tmp_path)
    scope = json.loads((tmp_path / "verdict.json").read_text(encoding="utf-8"))["scope"]
    assert ("numbered", 10, 14, ["rows have no buyer"]) == (
        scope["units"], scope["judged"], scope["claims"], [lack["text"] for lack in scope["lacks"]],
    )  # fmt: skip


def test_every_check_says_what_it_must_have_declared():
    assert all(check.scope and (check.counted is None or check.counted.scope) for check in CHECKS.values())


def test_a_check_stays_the_same_one_where_units_are_counted():
    assert all(check.counted.name == check.name for check in CHECKS.values() if check.counted)
