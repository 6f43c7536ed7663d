"""Sold out early: a win that was asked for after somebody had been told sold-out."""


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


def test_a_return_of_another_number_is_no_excuse(history, found):
    told = history().buys("b-1", won="s-2", at=0).rejects("s-2", "b-1").buys("b-2", at=1).buys("b-3", won="s-1", at=2)
    assert found("sold_out_early", told).units == 1


def test_a_win_without_a_number_counts(history, found):
    assert found("sold_out_early", history().buys("b-1", at=0).buys("b-2", "won", at=1)).units == 1
