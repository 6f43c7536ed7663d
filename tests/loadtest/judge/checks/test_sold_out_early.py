"""Sold out early: a win that was asked for after somebody had been told sold-out."""

import pytest


def test_wins_before_the_first_sold_out(history, found):
    told = history().buys("b-1", won="s-1", at=0).buys("b-2", won="s-2", at=1).buys("b-3", at=2)
    assert found("sold_out_early", told).finding.verdict == "VALID"


def test_a_late_win_is_named_with_both_operations(history, found):
    told = history().buys("b-1", at=0, took=0.5).buys("b-2", won="s-1", at=0.75)
    expected = "b-2 won s-1 (op 2 of g1), asking 250.0 ms after b-1 had been told sold-out (op 1 of g1)"
    assert ("INVALID", (expected,)) == (
        found("sold_out_early", told).finding.verdict, found("sold_out_early", told).finding.witnesses,
    )  # fmt: skip


def test_orders_that_overlap_prove_nothing(history, found):
    told = history().buys("b-1", at=0, took=0.5).buys("b-2", won="s-1", at=0.4, took=2)
    assert found("sold_out_early", told).finding.verdict == "VALID"


def test_a_second_click_repeats_an_earlier_win(history, found):
    told = history().buys("b-1", won="s-1", at=0).buys("b-2", at=1)
    for again in ("won", "already_bought"):
        told.buys("b-1", again, number="s-1", at=2)
    assert found("sold_out_early", told).finding.verdict == "VALID"


def test_a_win_may_complete_an_earlier_unanswered_order(history, found):
    told = history().buys("b-1", "unknown", at=0).buys("b-2", at=1).buys("b-1", won="s-1", at=2)
    assert found("sold_out_early", told).finding.verdict == "VALID"


def test_a_returned_number_may_be_won_late(history, found):
    told = history().buys("b-1", won="s-1", at=0).rejects("s-1", "b-1").buys("b-2", at=1).buys("b-3", won="s-1", at=2)
    assert found("sold_out_early", told).finding.verdict == "VALID"


def test_a_returned_unit_may_be_won_under_a_new_number(history, found):
    told = history().buys("b-1", won="s-2", at=0).rejects("s-2", "b-1").buys("b-2", at=1).buys("b-3", won="s-1", at=2)
    assert found("sold_out_early", told).finding.verdict == "VALID"


def test_a_return_told_to_its_buyer_alone_is_a_return(history, found):
    for number in ("s-2", None):
        told = history().buys("b-1", won="s-2", at=0).asks_status("b-1", number, "rejected", at=0.5)
        told.buys("b-2", at=1).buys("b-3", won="s-1", at=2)
        assert found("sold_out_early", told).finding.verdict == "VALID"


def test_as_many_late_wins_as_returns(history, found):
    told = history(4).buys("b-1", won="s-2", at=0).rejects("s-2", "b-1").buys("b-2", at=1)
    result = found("sold_out_early", told.buys("b-3", won="s-1", at=2).buys("b-4", won="s-3", at=3))
    assert ("INVALID", 1) == (result.finding.verdict, result.units)
    assert result.finding.witnesses[0].startswith("b-4 won s-3")
    assert "2 late wins, 1 of them of a unit that may have been returned; 1 told sold-out" == result.finding.observed


@pytest.mark.parametrize(
    "failed",
    [
        lambda told: told.buys("b-1", "unknown", http=503, error="HTTP 503", at=0, took=3),
        lambda told: told.buys("b-1", "unknown", http=None, error="no answer in 5 s", at=0, took=5),
        lambda told: told.buys("b-1", "unknown", took=None),
        lambda told: told.buys("b-1", "refused", http=503, at=0, took=3),
    ],
    ids=["503", "time-out", "never answered", "503 that the manifest calls refused"],
)
def test_an_order_that_failed_may_have_put_its_unit_back(history, found, failed):
    told = failed(history()).buys("b-2", at=1).buys("b-3", won="s-1", at=3.5)
    assert found("sold_out_early", told).finding.verdict == "VALID"


@pytest.mark.parametrize("outcome", ["unknown", "refused"])
def test_a_unit_put_back_long_after_its_order_had_failed_proves_nothing(history, found, outcome):
    told = history().buys("b-1", outcome, http=503, at=0).buys("b-2", at=1).buys("b-3", won="s-1", at=9)
    result = found("sold_out_early", told)
    assert ("UNKNOWN", None) == (result.finding.verdict, result.units)
    assert "1 late wins may be of units that were put back long after their orders had failed" in result.doubts[0].text
    assert found("sold_out_early", told.buys("b-4", won="s-2", at=9.5)).units == 1


@pytest.mark.parametrize(
    "failed",
    [
        lambda told: told.never_leaves("b-1"),
        lambda told: told.buys("b-1", "refused", http=422),
        lambda told: told.buys("b-1", "throttled", http=429),
        lambda told: told.buys("b-1", "unknown", at=9),
        lambda told: told.buys("b-1", "unknown", at=0).row("s-2", "b-1"),
        lambda told: told.buys("b-1", "unknown", at=0).claim("s-2", "b-1"),
    ],
    ids=["never left", "malformed", "throttled", "after the win", "it has its row", "it has its claim"],
)
def test_an_order_that_cannot_have_put_a_unit_back_excuses_no_late_win(history, found, failed):
    told = failed(history()).buys("b-2", at=1).buys("b-3", won="s-1", at=3)
    assert found("sold_out_early", told).units == 1


def test_a_win_without_a_number_counts(history, found):
    assert found("sold_out_early", history().buys("b-1", at=0).buys("b-2", "won", at=1)).units == 1
