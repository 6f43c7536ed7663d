"""Undersell: units left though buyers asked."""

import pytest


def test_everything_sold(history, found):
    result = found("undersell", history(stock=1).sells("b-1", "s-1").buys("b-2"))
    assert ("VALID", "1 rows; 2 buyers asked for 1 units", "≥ 1 rows") == (
        result.finding.verdict, result.finding.observed, result.finding.bound,
    )  # fmt: skip


def test_fewer_buyers_than_stock_may_leave_the_rest(history, found):
    assert found("undersell", history(stock=3).sells("b-1", "s-1")).finding.verdict == "VALID"


def test_what_was_not_sold_is_named_with_its_place(history, found):
    told = history(stock=5).token("s-1").claim("s-2", "b-2").rejects("s-3", "b-3").queued("s-4")
    for n in range(1, 6):
        told.buys(f"b-{n}")
    assert (
        "s-1 was not sold: it is still a token",
        "s-2 was not sold: b-2 holds its claim, nothing is queued, and no row came of it",
        "s-3 was not sold: it was rejected, and not sold again",
        "s-4 was not sold: it is still queued",
        "s-5 was not sold: it is nowhere",
    ) == found("undersell", told).finding.witnesses


def test_only_as_many_are_named_as_are_missing(history, found):
    assert found("undersell", history(stock=5).sells("b-1", "s-5").buys("b-2").buys("b-3")).units == 2


def test_a_script_that_sells_nothing(history, judged):
    told = history(stock=1).token("s-1").buys("b-1", "already_bought").buys("b-2", "already_bought")
    verdict = judged(told)
    assert {"undersell", "lockout"} == {check.name for check in verdict.checks if check.verdict == "INVALID"}


def test_one_buyer_asking_often_is_one_buyer(history, found):
    told = history(stock=2).sells("b-1", "s-1").buys("b-1", at=1).buys("b-1", at=2)
    assert found("undersell", told).finding.verdict == "VALID"


def test_before_the_drain_nothing_is_final(history, found):
    result = found("undersell", history(stock=1).undrained().buys("b-1", won="s-1").queued("s-1"))
    assert ("UNKNOWN", None) == (result.finding.verdict, result.units)


def test_orders_that_never_left_are_no_demand(history, judged, found):
    told = history(stock=3).sells("b-1", "s-1").token("s-2").token("s-3")
    for n in range(2, 9):
        told.never_leaves(f"b-{n}").never_leaves(f"b-{n}", kind="retry", at=1)
    result = found("undersell", told)
    assert ("VALID", "1 rows; 1 buyers asked for 3 units") == (result.finding.verdict, result.finding.observed)
    verdict = judged(told)
    assert "1 buyers asked for a stock of 3: demand under 2 × stock" in {doubt.text for doubt in verdict.doubts}


def test_a_buyer_whose_second_order_left_has_asked(history, found):
    told = history(stock=1).token("s-1").never_leaves("b-1").buys("b-1", kind="retry", at=1)
    assert found("undersell", told).units == 1


def test_an_order_that_never_left_explains_no_row(history, found):
    result = found("phantom", history().never_leaves("b-1").row("s-1", "b-1"))
    assert ("row s-1 for b-1, who never asked",) == result.finding.witnesses


@pytest.mark.parametrize(
    "unanswered",
    [{"took": 10.0, "http": None}, {"took": None}, {"http": 503}],
    ids=["time-out", "never answered", "503"],
)
def test_units_that_only_unanswered_buyers_wanted_prove_nothing(history, found, unanswered):
    told = history(stock=3).sells("b-1", "s-1").token("s-2").token("s-3")
    for n in range(2, 9):
        told.buys(f"b-{n}", "unknown", **unanswered)
    result = found("undersell", told)
    assert ("UNKNOWN", None) == (result.finding.verdict, result.units)
    assert ["undersell: 2 units are still for sale that only buyers without an answer asked for"] == [
        doubt.text for doubt in result.doubts
    ]
    assert "let buyers retry" in result.doubts[0].remedy


def test_units_that_answered_buyers_wanted_are_unsold_whoever_else_did(history, found):
    told = history(stock=3).sells("b-1", "s-1").token("s-2").token("s-3").buys("b-2", at=1).buys("b-3", "unknown")
    assert found("undersell", told).units == 1


def test_an_unanswered_buyer_with_a_row_wanted_it(history, found):
    told = history(stock=3).buys("b-1", "unknown").row("s-1", "b-1").buys("b-2").buys("b-3").token("s-2").token("s-3")
    assert found("undersell", told).units == 2


@pytest.mark.parametrize(
    "stuck",
    [lambda told: told.claim("s-1", "b-1"), lambda told: told.rejects("s-1", "b-1")],
    ids=["claimed", "rejected"],
)
def test_a_unit_that_is_no_longer_for_sale_is_unsold_though_only_unanswered_buyers_wanted_it(history, found, stuck):
    told = stuck(history(stock=2)).token("s-2").buys("b-1", "unknown").buys("b-2", "unknown")
    result = found("undersell", told)
    assert ("INVALID", 1) == (result.finding.verdict, result.units)
    assert result.finding.witnesses[0].startswith("s-1 was not sold: ")


@pytest.mark.parametrize(("outcome", "http"), [("throttled", 429), ("sold_out", 410), ("already_bought", 409)])
def test_a_buyer_who_was_told_no_was_answered(history, found, outcome, http):
    assert found("undersell", history(stock=1).token("s-1").buys("b-1", outcome, http=http)).units == 1


def test_buyers_who_were_refused_every_time_are_no_demand(history, judged, found):
    told = history(stock=2).sells("b-1", "s-1").buys("b-2").token("s-2")
    for n in range(3, 9):
        told.buys(f"b-{n}", "refused", http=422)
    assert found("undersell", told).units == 1, "b-2 was told sold-out"
    told = history(stock=2).sells("b-1", "s-1").token("s-2")
    for n in range(2, 9):
        told.buys(f"b-{n}", "refused", http=422).buys(f"b-{n}", "refused", http=422, at=1)
    assert found("undersell", told).finding.verdict == "VALID"
    assert "1 buyers asked for a stock of 2: demand under 2 × stock" in {doubt.text for doubt in judged(told).doubts}
    assert found("undersell", told.buys("b-2", http=410, at=2)).units == 1
