"""Oversell: rows past the stock, and rows for numbers that were never for sale."""


def test_as_many_rows_as_stock_is_no_oversell(history, found):
    result = found("oversell", history(stock=2).row("s-1", "b-1").row("s-2", "b-2"))
    assert ("VALID", "2 rows, 0 oversold", "≤ 2 rows") == (
        result.finding.verdict,
        result.finding.observed,
        result.finding.bound,
    )


def test_the_latest_row_past_the_stock_is_named(history, found):
    told = history(stock=2).row("s-1", "b-1", at=1).row("s-2", "b-2", at=2).row("s-1", "b-3", at=3)
    result = found("oversell", told)
    assert ("INVALID", ("row s-1 of b-3 is number 3 of a stock of 2",)) == (
        result.finding.verdict,
        result.finding.witnesses,
    )
    assert result.units == 1


def test_a_number_that_was_never_seeded_is_oversold_even_below_the_stock(history, found):
    result = found("oversell", history(stock=2).row("t-1", "b-1"))
    assert ("row t-1 of b-1: the number was never seeded",) == result.finding.witnesses


def test_new_numbers_count_once_though_they_are_also_past_the_stock(history, found):
    told = history(stock=1).row("s-1", "b-1", at=1).row("t-1", "b-2", at=2)
    assert found("oversell", told).units == 1


def test_seeding_twice_the_stock_does_not_raise_the_bound(history, found):
    told = history(stock=1).seeded("s-2").row("s-1", "b-1", at=1).row("s-2", "b-2", at=2)
    assert ("row s-2 of b-2 is number 2 of a stock of 1",) == found("oversell", told).finding.witnesses


def test_it_is_invalid_though_nobody_was_told_sold_out(history, judged):
    told = history(stock=1).sells("b-1", "s-1").sells("b-2", "s-1")
    assert judged(told).verdict == "INVALID"


def test_ten_witnesses_are_kept_of_many(history, found):
    told = history(stock=1)
    for n in range(25):
        told.row(f"t-{n}", f"b-{n}")
    result = found("oversell", told)
    assert (10, 25) == (len(result.finding.witnesses), result.units)
