"""Duplicate: one number, two rows."""


def test_one_row_a_number(history, found):
    assert found("duplicate", history().row("s-1", "b-1").row("s-2", "b-2")).finding.verdict == "VALID"


def test_near_misses_are_counted_not_judged(history, found):
    result = found("duplicate", history(near_misses=3).row("s-1", "b-1"))
    assert ("VALID", "0 numbers twice, 3 near misses") == (result.finding.verdict, result.finding.observed)


def test_a_redelivered_row_is_named(history, found):
    result = found("duplicate", history().row("s-1", "b-1", at=1).row("s-1", "b-1", at=2))
    assert ("INVALID", ("s-1 has 2 rows: b-1, b-1",)) == (result.finding.verdict, result.finding.witnesses)


def test_rows_without_a_number_are_not_one_number(history, found):
    assert found("duplicate", history().row(None, "b-1").row(None, "b-2")).finding.verdict == "VALID"
