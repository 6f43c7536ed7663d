"""Buyers without an answer, and answers that no rule names."""

import pytest


def told(verdict):
    return " | ".join(doubt.text for doubt in verdict.doubts)


def silent(fair, unanswered, answered, outcome="unknown", http=None):
    """Three winners, and losers of whom so many were not answered."""
    sale = fair(stock=3, buyers=3 + answered)
    for n in range(unanswered):
        sale.buys(f"c-{n}", outcome, took=2, http=http)
    return sale


def test_more_losers_without_an_answer_than_with_one(fair, judged):
    verdict = judged(silent(fair, 6, 5))
    assert ("UNKNOWN", True) == (verdict.verdict, "6 of 11 buyers without a unit had no answer" in verdict.sentence)
    assert "VALID" == judged(silent(fair, 5, 5)).verdict


def test_a_buyer_who_was_answered_at_a_second_try_had_an_answer(fair, judged):
    sale = silent(fair, 6, 5)
    assert "VALID" == judged(sale.buys("c-0", kind="retry", at=3)).verdict


def test_a_buyer_with_a_unit_is_no_loser(fair, judged):
    sale = fair(stock=6, buyers=12)
    for op in sale.ops[1:6]:
        op |= {"o": "unknown", "n": None, "h": None}
    assert "VALID" == judged(sale).verdict, told(judged(sale))


def test_answers_of_an_api_that_breaks_under_the_herd(fair, judged):
    assert "9 of 12 buyers without a unit had no answer" in told(judged(silent(fair, 9, 3, http=503)))


@pytest.mark.parametrize("code", [418, 302, 200])
def test_answers_that_no_rule_names(fair, judged, code):
    sale = fair(stock=3, buyers=6)
    for n in range(10):
        sale.buys(f"c-{n}", "unknown", http=code)
    assert f"10 of 16 buys were answered {code}, which http.buy.outcomes does not name" in judged(sale).sentence


def test_nobody_was_answered_by_a_rule(history, judged):
    sale = history(stock=2).token("s-1").token("s-2")
    for n in range(200):
        sale.buys(f"b-{n}", "unknown", http=418 if n else 404)
    verdict = judged(sale)
    assert "200 of 200 buys: 418, 404, no rule" in told(verdict)
    assert any("[http.buy.outcomes]" in doubt.remedy for doubt in verdict.doubts)


def test_a_few_answers_without_a_rule_are_no_doubt(fair, judged):
    assert "does not name" not in told(judged(fair(stock=3, buyers=6).buys("c-1", "unknown", http=418)))
