"""Lockout: told that they have one, and have nothing."""

import pytest


def test_buyers_who_were_told_that_they_have_one_and_have_nothing(history, found):
    told = history(stock=1).sells("b-1", "s-1")
    for n in range(2, 68):
        told.buys(f"b-{n}", "already_bought", at=1)
    result = found("lockout", told)
    assert ("INVALID", 66, "66 of 66 buyers who were told already bought", "0") == (
        result.finding.verdict, result.units, result.finding.observed, result.finding.bound,
    )  # fmt: skip
    assert (
        "b-10 was told that they have bought already (op 2 of g1, T0 +1.010 s), and has no row, claim, queued order, promise or return"
        == result.finding.witnesses[0]
    )


@pytest.mark.parametrize(
    "something",
    [
        lambda told: told.row("s-1", "b-1"),
        lambda told: told.claim("s-1", "b-1"),
        lambda told: told.claim("s-1", "b-1").queued("s-1"),
        lambda told: told.buys("b-1", won="s-1"),
        lambda told: told.buys("b-1", "won"),
        lambda told: told.rejects("s-1", "b-1"),
        lambda told: told.buys("b-1", won="s-1").asks_status("b-1", "s-1", "rejected"),
        lambda told: told.asks_status("b-1", None, "rejected"),
        lambda told: told.buys("b-1", "unknown").row("s-1", "b-1"),
        lambda told: told.buys("b-1", "unknown").claim("s-1", "b-1"),
    ],
    ids=[
        "row", "claim", "queued claim", "promise", "promise without a number", "rejection", "told of the rejection",
        "told of a rejection without a number", "recovered order", "claim of an unanswered order",
    ],
)  # fmt: skip
def test_a_buyer_who_has_any_of_these_is_not_locked_out(history, found, something):
    told = something(history(stock=1).buys("b-1", "already_bought", at=0.5))
    assert found("lockout", told).finding.verdict == "VALID"


def test_a_number_that_is_named_is_a_promise_and_other_checks_judge_it(history, judged):
    told = history(stock=1).buys("b-1", again="s-1").buys("b-2").buys("b-3")
    failed = {check.name for check in judged(told).checks if check.verdict == "INVALID"}
    assert "lost" in failed
    assert "lockout" not in failed


@pytest.mark.parametrize("first", ["sold_out", "throttled", "unknown"])
def test_what_a_buyer_was_told_before_is_no_excuse(history, found, first):
    told = history().buys("b-1", first).buys("b-1", "already_bought", kind="retry", at=1)
    assert found("lockout", told).units == 1


def test_things_of_another_buyer_are_no_excuse(history, found):
    told = history().buys("b-1", "already_bought").sells("b-2", "s-1").claim("s-1", "b-2").rejects("s-2", "b-3")
    assert found("lockout", told).units == 1


def test_before_it_drained_a_queued_order_may_be_theirs(history, found):
    told = history().undrained().buys("b-1", "already_bought")
    assert found("lockout", told).units == 1
    for number in ("s-1", None):
        result = found("lockout", history().undrained().buys("b-1", "already_bought").queued(number))
        assert ("UNKNOWN", None) == (result.finding.verdict, result.units)
        assert "raise drain.deadline_s, so that the sale drains" == result.doubts[0].remedy
    claimed = history().undrained().buys("b-1", "already_bought").buys("b-2", won="s-1").queued("s-1")
    assert found("lockout", claimed).units == 1, "that entry is another buyer's"


def test_a_run_stopped_before_its_deadline_cannot_tell(history, found):
    told = history().undrained().buys("b-1", "already_bought").sample("run", "phase.reading", 1, at=5)
    assert found("lockout", told).finding.verdict == "UNKNOWN"


def test_nobody_was_told(history, found):
    result = found("lockout", history().sells("b-1", "s-1"))
    assert ("VALID", "0 of 0 buyers who were told already bought") == (result.finding.verdict, result.finding.observed)
