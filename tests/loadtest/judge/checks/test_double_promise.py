"""Double promise: one number, two buyers who were told."""


def test_one_buyer_may_be_told_twice(history, found):
    told = history().buys("b-1", won="s-1").buys("b-1", again="s-1")
    assert found("double_promise", told).finding.verdict == "VALID"


def test_two_buyers_are_named_with_their_operations(history, found):
    told = history().buys("b-1", won="s-1", at=0).buys("b-2", won="s-1", at=1).row("s-1", "b-1")
    result = found("double_promise", told)
    assert ("s-1 was promised to 2 buyers: b-1 (op 1 of g1), b-2 (op 2 of g1)",) == result.finding.witnesses


def test_already_bought_with_a_number_is_a_promise(history, found):
    told = history().buys("b-1", won="s-1").buys("b-2", again="s-1")
    assert found("double_promise", told).finding.verdict == "INVALID"


def test_wins_without_a_number_are_not_one_number(history, found):
    told = history().buys("b-1", "won").buys("b-2", "won")
    assert found("double_promise", told).finding.verdict == "VALID"
