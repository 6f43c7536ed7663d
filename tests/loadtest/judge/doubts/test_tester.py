"""Orders that never left: no connection, no address, no port."""

import pytest


def told(verdict):
    return " | ".join(doubt.text for doubt in verdict.doubts)


def held_back(history, left, stayed, error="connect: cannot assign requested address", at=0.5):
    """A sale of `left` orders, and `stayed` that never left."""
    sale = history(stock=2)
    for n in range(1, 3):
        sale.sells(f"b-{n}", f"s-{n}", at=n / 1000).claim(f"s-{n}", f"b-{n}")
    for n in range(3, left + 1):
        sale.buys(f"b-{n}", at=0.1)
    for n in range(stayed):
        sale.buys(f"b-{left + n + 1}", "refused", http=None, error=error, at=at)
    return sale


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        ("connect: cannot assign requested address", "source ports"),
        ("connect: name or service not known", "host name"),
        ("connect: temporary failure in name resolution", "host name"),
        ("connect: connection refused", "listens on the port"),
        ("connect: too many open files", "ulimit -n"),
        ("connect: no connection in 10 s", "took no connection in time"),
        (None, "errors in the history"),
    ],
)
def test_orders_that_never_left_decide_and_say_why(history, judged, error, remedy):
    verdict = judged(held_back(history, 6, 4, error))
    assert f"not proven: 4 of 10 orders never left: {error or 'no reason was recorded'}" in verdict.sentence
    assert remedy in verdict.doubts[0].remedy


def test_they_are_neither_offered_nor_sent_nor_shaved(history, judged):
    verdict = judged(
        held_back(history, 6, 4).sample("postgres", "write_xids", 1, 0).sample("postgres", "write_xids", 3, 1)
    )
    assert (6, 6, 6) == (verdict.load.offered_per_s, verdict.load.achieved_per_s, verdict.shaving.requests_max_per_s)


def test_they_are_not_offered_where_arrivals_were_planned(history, judged):
    sale = held_back(history, 6, 4)
    verdict = judged(sale.due(0.001, 0.002, *[0.1] * 4, *[0.5] * 4))
    assert (6, 6) == (verdict.load.offered_per_s, verdict.load.achieved_per_s)


@pytest.mark.parametrize("error", ["connect: name or service not known", "connect: connection refused"])
def test_where_all_orders_never_left_the_shop_is_not_to_blame(history, judged, error):
    sale = history(stock=2)
    for n in range(1, 3):
        sale.token(f"s-{n}")
    for n in range(400):
        sale.buys(f"b-{n}", "refused", http=None, error=error)
    verdict = judged(sale)
    assert ("UNKNOWN", None) == (verdict.verdict, verdict.load.offered_per_s)
    assert f"400 of 400 orders never left: {error}" in verdict.sentence


def test_a_few_that_never_left_are_told(history, judged):
    verdict = judged(held_back(history, 100, 5))
    assert ("VALID", True) == (verdict.verdict, "5 of 105 orders never left" in told(verdict)), told(verdict)


def test_who_tried_again_and_was_heard_has_asked(history, judged):
    sale = held_back(history, 6, 4)
    for n in range(4):
        sale.buys(f"b-{6 + n + 1}", kind="retry", at=0.7)
    verdict = judged(sale)
    assert ("VALID", True) == (verdict.verdict, "4 of 14 orders never left" in told(verdict)), told(verdict)


def test_what_a_fault_keeps_from_leaving_is_no_doubt(history, judged):
    sale = held_back(history, 6, 4, "connect: connection refused")
    assert "VALID" == judged(sale.fault("kill api", observed=0.1, recovered=0.6)).verdict
    assert "never left" in told(judged(held_back(history, 6, 4, at=3).fault("kill api", observed=0.1, recovered=0.6)))


def test_an_order_that_the_shop_refused_did_leave(history, judged):
    sale = held_back(history, 20, 0)
    for n in range(20):
        sale.buys(f"c-{n}", "refused", http=422)
    assert "never left" not in told(judged(sale))


def moved(told, generator, by_ms, at=1.0):
    told.sample("generator", f"{generator}.clock_offset_ms", by_ms, at)
    return told.sample("generator", f"{generator}.clock_uncertainty_ms", 0.1, at)


def late_win(history, later_s, one="g0", other="g1"):
    """A sale in which a buyer of `one` wins `later_s` after one of `other` was told sold-out."""
    sale = history(stock=2).generator(0, whole=True).generator(1, whole=True)
    sale.sells("b-1", "s-1").buys("b-1000003", at=0.1, took=0.0, generator=other).buys("b-3", at=0.3, generator=other)
    return sale.buys("b-2", won="s-2", at=0.1 + later_s, generator=one).row("s-2", "b-2", at=0.1 + later_s)


def test_a_clock_that_was_seen_to_move_proves_no_order_of_events(history, judged):
    assert "INVALID" == judged(late_win(history, 0.3)).verdict
    verdict = judged(moved(late_win(history, 0.3), "g0", 400))
    assert ("VALID", True) == (verdict.verdict, "the clock of generator g0 moved by 400 ms" in told(verdict))
    assert "INVALID" == judged(moved(late_win(history, 0.5), "g0", 400)).verdict


def test_the_movements_of_two_clocks_add_up_and_one_counts_within_its_own_generator(history, judged):
    both = moved(moved(late_win(history, 0.7), "g0", -400), "g1", 400)
    assert "VALID" == judged(both).verdict
    assert "VALID" == judged(moved(late_win(history, 0.3, "g1", "g1"), "g1", 400)).verdict
    assert "INVALID" == judged(moved(late_win(history, 0.3, "g1", "g1"), "g0", 400)).verdict


def test_an_order_of_a_killed_generator_may_have_begun_at_t0(fair, found):
    sale = fair(stock=3, buyers=6).buys("b-3", "unknown", took=None, kind="retry", generator="g2")
    sale.ops = [op for op in sale.ops if op["b"] != "b-3" or op["o"] == "unknown"]
    sale.buys("b-3", won="s-3", at=5)
    assert "VALID" == found("sold_out_early", sale).finding.verdict
