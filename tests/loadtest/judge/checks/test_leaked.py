"""Leaked: each seeded number has exactly one place."""

import pytest

NOWHERE = "in none of tokens, claims, queue, rows, rejected"


@pytest.mark.parametrize(
    "place",
    [
        lambda told: told.token("s-1"),
        lambda told: told.claim("s-1", "b-1"),
        lambda told: told.queued("s-1"),
        lambda told: told.row("s-1", "b-1"),
        lambda told: told.rejects("s-1", "b-1"),
    ],
    ids=["token", "claim", "queue", "row", "rejected"],
)
def test_every_place_is_a_place(history, found, place):
    assert found("leaked", place(history(stock=1))).finding.verdict == "VALID"


def test_a_number_that_is_nowhere(history, found):
    result = found("leaked", history(stock=2).token("s-1"))
    assert ("INVALID", "1 leaked, 0 in two places, of 2 seeded") == (result.finding.verdict, result.finding.observed)
    assert (f"s-2 is {NOWHERE}",) == result.finding.witnesses


@pytest.mark.parametrize(
    "one_place",
    [
        lambda told: told.claim("s-1", "b-1").queued("s-1"),
        lambda told: told.claim("s-1", "b-1").row("s-1", "b-1"),
        lambda told: told.claim("s-1", "b-1").rejects("s-1", "b-1"),
        lambda told: told.queued("s-1", "unacked").row("s-1", "b-1"),
        lambda told: told.rejects("s-1", "b-1").token("s-1"),
        lambda told: told.rejects("s-1", "b-1").row("s-1", "b-2"),
        lambda told: told.row("s-1", "b-1").row("s-1", "b-1"),
    ],
    ids=["queued claim", "kept claim", "rejected claim", "redelivery", "returned", "resold", "duplicate"],
)
def test_these_are_one_place(history, found, one_place):
    assert found("leaked", one_place(history(stock=1))).finding.verdict == "VALID"


@pytest.mark.parametrize(
    ("two_places", "named"),
    [
        (lambda told: told.token("s-1").token("s-1"), "2 places: tokens, tokens"),
        (lambda told: told.token("s-1").row("s-1", "b-1"), "2 places: rows, tokens"),
        (lambda told: told.token("s-1").claim("s-1", "b-1"), "2 places: claims, tokens"),
        (lambda told: told.token("s-1").queued("s-1"), "2 places: queue, tokens"),
        (lambda told: told.row("s-1", "b-1").rejects("s-1", "b-1"), "2 places: rejected, rows"),
        (lambda told: told.claim("s-1", "b-1").row("s-1", "b-2"), "2 places: claims, rows"),
        (lambda told: told.buys("b-1", "unknown").sells("b-2", "s-1").claim("s-1", "b-1"), "2 places: claims, rows"),
        (lambda told: told.row("s-1", "b-1").row("s-1", "b-2").claim("s-1", "b-3"), "2 places: claims, rows"),
        (lambda told: told.claim("s-1", "b-1").claim("s-1", "b-2"), "2 places: claims, claims"),
    ],
)
def test_these_are_two_places(history, found, two_places, named):
    result = found("leaked", two_places(history(stock=1)))
    assert (f"s-1 is in {named}",) == result.finding.witnesses
    assert "0 leaked, 1 in two places, of 1 seeded" == result.finding.observed


def test_a_promise_is_named_rather_than_a_suspect(history, found):
    told = history(stock=1).buys("b-1", won="s-1").buys("b-2", "unknown")
    assert (f"s-1 is {NOWHERE}; promised to b-1 (op 1 of g1)",) == found("leaked", told).finding.witnesses


def test_an_unanswered_order_is_the_suspect_and_it_is_still_a_leak(history, found):
    told = history(stock=1).buys("b-1", "unknown", error="timed out").buys("b-2", "unknown", at=1)
    result = found("leaked", told)
    suspect = "suspect: op 1 of g1 of b-1, unanswered (timed out) and without a row, the first of 2 such orders"
    assert ("INVALID", (f"s-1 is {NOWHERE}; {suspect}",)) == (result.finding.verdict, result.finding.witnesses)


def test_a_fault_is_a_suspect(history, found):
    told = history(stock=1).fault("kill_worker", observed=1.0)
    assert found("leaked", told).finding.witnesses[0].endswith("; faults meanwhile: kill_worker")


def test_a_run_stopped_before_its_deadline_cannot_tell(history, found):
    told = history(stock=1).undrained().sample("run", "phase.reading", 1, at=5)
    assert found("leaked", told).finding.verdict == "UNKNOWN"
    assert found("leaked", told.token("s-1").row("s-1", "b-1")).finding.verdict == "INVALID"


def test_the_sets_are_judged_though_the_history_is_gone(history, found):
    assert found("leaked", history(stock=1).without("ops")).finding.verdict == "INVALID"


def test_before_it_drained_a_number_may_be_held_by_a_worker_that_nobody_can_name(history, found):
    told = history(stock=2).sells("b-1", "s-1").queued(None, "unacked")
    assert found("leaked", told).units == 1
    result = found("leaked", told.undrained())
    assert ("UNKNOWN", None) == (result.finding.verdict, result.units)
    assert "1 numbers were in none" in result.doubts[0].text


@pytest.mark.parametrize(
    "one_place",
    [
        lambda told: told.claim("s-1", "b-1").row("s-1", None),
        lambda told: told.claim("s-1", None).row("s-1", "b-1"),
        lambda told: told.sells("b-1", "s-1").claim("s-1", "user 17"),
        lambda told: told.row("s-1", "b-1").row("s-1", "b-2").claim("s-1", "b-2"),
    ],
    ids=["rows without buyers", "claims without buyers", "claims by another name", "a row of each"],
)
def test_a_claim_beside_a_row_is_one_place_unless_their_buyers_are_known_to_differ(history, found, one_place):
    assert found("leaked", one_place(history(stock=1))).finding.verdict == "VALID"


def test_a_unit_that_was_sold_and_still_counts_as_stock_is_not_called_leaked(history, judged):
    told = history(stock=3).token("s-1")
    for n in (1, 2):
        told.sells(f"b-{n}", f"s-{n}")
    for n in range(3, 9):
        told.buys(f"b-{n}", at=1)
    verdict = judged(told)
    assert (1, 1) == (verdict.counts.leaked, verdict.counts.misplaced)
    assert "1 leaked · 1 in two places" in verdict.sentence


def test_leaks_of_a_run_that_was_stopped_are_not_counted_as_none(history, judged):
    told = history(stock=2).undrained().sells("b-1", "s-1").token("s-1").sample("run", "phase.reading", 1, at=5)
    verdict = judged(told)
    assert ("INVALID", None, 1) == (verdict.verdict, verdict.counts.leaked, verdict.counts.misplaced)
