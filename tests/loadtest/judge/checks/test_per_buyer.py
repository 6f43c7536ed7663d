"""Per buyer: nobody over the cap, in rows or in promises."""


def test_one_each(history, found):
    result = found("per_buyer", history().sells("b-1", "s-1").sells("b-2", "s-2"))
    assert ("VALID", "≤ 1 each") == (result.finding.verdict, result.finding.bound)


def test_two_rows_and_promises(history, found):
    result = found("per_buyer", history().sells("b-1", "s-1").sells("b-1", "s-2", at=1))
    assert ("b-1 has 2 rows and 2 promises; the cap is 1",) == result.finding.witnesses


def test_two_promises_of_which_one_row_was_kept(history, found):
    result = found("per_buyer", history().sells("b-1", "s-1").buys("b-1", won="s-2", at=1))
    assert ("b-1 has 1 row and 2 promises; the cap is 1",) == result.finding.witnesses


def test_rows_alone_suffice(history, found):
    result = found("per_buyer", history().buys("b-1", "unknown").row("s-1", "b-1").row("s-2", "b-1"))
    assert ("b-1 has 2 rows and 0 promises; the cap is 1",) == result.finding.witnesses


def test_the_same_number_told_twice_is_one_promise(history, found):
    assert found("per_buyer", history().sells("b-1", "s-1").buys("b-1", again="s-1")).finding.verdict == "VALID"


def test_a_rejected_promise_does_not_count(history, found):
    told = history().buys("b-1", won="s-1").rejects("s-1", "b-1").sells("b-1", "s-2", at=1)
    assert found("per_buyer", told).finding.verdict == "VALID"


def test_the_cap_is_the_sales_own(history, found):
    told = history(per_buyer=2).sells("b-1", "s-1").sells("b-1", "s-2", at=1)
    assert found("per_buyer", told).finding.verdict == "VALID"
