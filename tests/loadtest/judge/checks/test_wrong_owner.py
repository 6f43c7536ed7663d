"""Wrong owner: one was told, another has the row."""


def test_the_buyer_who_was_told_has_the_row(history, found):
    assert found("wrong_owner", history().sells("b-1", "s-1")).finding.verdict == "VALID"


def test_both_buyers_are_named(history, found):
    result = found("wrong_owner", history().buys("b-1", won="s-1").row("s-1", "b-2"))
    assert ("row s-1 belongs to b-2, but b-1 was told it is theirs (op 1 of g1)",) == result.finding.witnesses


def test_of_two_promises_either_row_is_a_promise_kept(history, found):
    told = history().buys("b-1", won="s-1").buys("b-2", won="s-1").row("s-1", "b-2")
    assert found("wrong_owner", told).finding.verdict == "VALID"


def test_a_rejected_buyer_has_no_claim_to_the_row(history, found):
    told = history().buys("b-1", won="s-1").rejects("s-1", "b-1").buys("b-2", "unknown").row("s-1", "b-2")
    assert found("wrong_owner", told).finding.verdict == "VALID"


def test_an_unanswered_order_is_no_excuse_for_a_promised_row(history, found):
    told = history().buys("b-1", won="s-1").buys("b-2", "unknown").row("s-1", "b-2")
    assert found("wrong_owner", told).units == 1
