"""Undersell: units left though buyers asked."""


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
    assert {"undersell"} == {check.name for check in verdict.checks if check.verdict == "INVALID"}


def test_one_buyer_asking_often_is_one_buyer(history, found):
    told = history(stock=2).sells("b-1", "s-1").buys("b-1", at=1).buys("b-1", at=2)
    assert found("undersell", told).finding.verdict == "VALID"


def test_before_the_drain_nothing_is_final(history, found):
    result = found("undersell", history(stock=1).undrained().buys("b-1", won="s-1").queued("s-1"))
    assert ("UNKNOWN", None) == (result.finding.verdict, result.units)
