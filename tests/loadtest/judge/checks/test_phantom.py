"""Phantom: a row that nobody can have asked for."""

import pytest


def test_a_promised_row_is_explained(history, found):
    assert found("phantom", history().sells("b-1", "s-1")).finding.verdict == "VALID"


def test_a_row_after_an_unanswered_order_is_recovered(history, found):
    for took in (10.0, None):
        told = history().buys("b-1", "unknown", took=took).row("s-1", "b-1")
        assert found("phantom", told).finding.verdict == "VALID"


def test_a_buyer_who_never_asked(history, found):
    result = found("phantom", history().row("s-1", "b-1"))
    assert ("INVALID", ("row s-1 for b-1, who never asked",)) == (result.finding.verdict, result.finding.witnesses)


def test_looking_at_the_page_is_not_asking(history, found):
    result = found("phantom", history().buys("b-1", "ok", kind="page").row("s-1", "b-1"))
    assert ("row s-1 for b-1, who never asked",) == result.finding.witnesses


@pytest.mark.parametrize("outcome", ["sold_out", "refused", "throttled"])
def test_a_buyer_who_was_told_no_every_time(history, found, outcome):
    result = found("phantom", history().buys("b-1", outcome).buys("b-1", outcome, at=1).row("s-1", "b-1"))
    assert (f"row s-1 for b-1, who was told only: {outcome}",) == result.finding.witnesses


def test_one_unanswered_order_explains_one_row(history, found):
    told = history(per_buyer=2).buys("b-1", "unknown").row("s-1", "b-1", at=1).row("s-2", "b-1", at=2)
    result = found("phantom", told)
    assert ("row s-2 for b-1, who was told only: unknown",) == result.finding.witnesses


def test_a_win_explains_its_own_number_only(history, found):
    told = history(per_buyer=2).sells("b-1", "s-1").row("s-2", "b-1")
    assert ("row s-2 for b-1, who was told only: won",) == found("phantom", told).finding.witnesses


def test_a_win_without_a_number_explains_a_row(history, found):
    assert found("phantom", history().buys("b-1", "won").row("s-1", "b-1")).finding.verdict == "VALID"
