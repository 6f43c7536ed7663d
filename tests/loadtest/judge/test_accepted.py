"""Accepted: an order that is queued promises nothing. Its buyer wants a unit, and a row of theirs is explained."""

import pytest


def texts(verdict):
    return " | ".join(doubt.text for doubt in verdict.doubts)


def failed(verdict):
    return {check.name for check in verdict.checks if check.verdict == "INVALID"}


def queueing(history, stock=3, buyers=6, polls=True, **how):
    """A shop that tells everybody the same, and lets them ask what became of it: an id, or that they have nothing."""
    told = history(stock).counted(**how)
    for n in range(1, buyers + 1):
        told.buys(f"u-{n}", "accepted", at=n / 1000)
        if n <= stock:
            told.row(f"{7000 + n}", f"u-{n}", at=0.1)
        if polls:
            told.asks_status(f"u-{n}", None, "pending", at=0.05)
            told.asks_status(f"u-{n}", *((f"{7000 + n}", "confirmed") if n <= stock else (None, "rejected")), at=1)
    return told


def test_what_polls_confirm_is_promised(history, judged):
    verdict = judged(queueing(history))
    assert ("VALID", 14, 3) == (verdict.verdict, verdict.scope.judged, verdict.counts.promised), texts(verdict)


def test_an_accepted_order_is_not_unknown(history, judged):
    verdict = judged(queueing(history))
    assert (0, True) == (verdict.counts.unresolved, "unknown" not in verdict.sentence)
    assert {"accepted"} == set(verdict.latency_ms)


def test_rows_decide_where_nobody_can_ask(history, judged):
    verdict = judged(queueing(history, polls=False, but=("status", "won", "number")))
    assert "VALID" == verdict.verdict, texts(verdict)
    assert {"double_promise", "lost", "wrong_owner", "sold_out_early", "told_untrue"} == verdict.scope.not_judged


def test_nobody_who_was_accepted_has_anything(history, judged):
    told = history(3).counted(left=3)
    for n in range(6):
        told.buys(f"u-{n}", "accepted")
    verdict = judged(told)
    assert ("INVALID", {"undersell"}) == (verdict.verdict, failed(verdict))
    assert "nobody won" in texts(verdict)


def test_a_confirmed_order_without_a_row_is_lost_by_its_number(history, judged):
    told = queueing(history)
    told.tables["orders"] = [row for row in told.tables["orders"] if row["buyer"] != "u-2"]
    assert {"lost", "told_untrue", "leaked", "undersell"} == failed(judged(told))


def test_what_was_only_accepted_is_not_lost(history, found):
    assert "VALID" == found("lost", history(3).counted().buys("u-1", "accepted")).finding.verdict


def test_two_buyers_with_one_id(history, found):
    told = queueing(history).buys("u-9", "accepted", at=0.001).asks_status("u-9", "7001", "confirmed")
    assert "7001 was promised to 2 buyers" in found("double_promise", told).finding.witnesses[0]


def test_each_accepted_order_explains_one_row(history, found):
    told = queueing(history, polls=False)
    assert "VALID" == found("phantom", told).finding.verdict
    assert 1 == found("phantom", told.row("8001", "u-1")).units
    confirmed = queueing(history).row("8001", "u-1")
    assert 1 == found("phantom", confirmed).units


def test_a_late_win_counts_from_when_it_was_asked_for(history, found):
    told = (
        queueing(history).buys("u-0", at=-1).buys("u-9", "accepted", at=2).asks_status("u-9", "7009", "confirmed", at=3)
    )
    assert any("u-9 won 7009" in text for text in found("sold_out_early", told).finding.witnesses)


@pytest.mark.parametrize(("clicks", "state"), [(1, "INVALID"), (2, "VALID")])
def test_told_rejected_and_there_is_a_row(history, found, clicks, state):
    told = history(3).counted()
    for click in range(clicks):
        told.buys("u-1", "accepted", at=click / 10)
    told.row("7001", "u-1").asks_status("u-1", None, "rejected", at=5)
    assert state == found("told_untrue", told).finding.verdict


def test_told_pending_for_ever_though_the_row_is_there(history, found):
    told = history(3).counted().buys("u-1", "accepted").row("7001", "u-1").asks_status("u-1", None, "pending", at=30)
    assert "u-1 was last told that their order is pending" in found("told_untrue", told).finding.witnesses[0]


def test_already_bought_after_accepted_is_no_lockout(history, found):
    told = history(3).counted().buys("u-1", "accepted").buys("u-1", "already_bought", at=1)
    assert "VALID" == found("lockout", told).finding.verdict
    assert "INVALID" == found("lockout", told.buys("u-2", "already_bought")).finding.verdict


def test_a_number_that_only_a_poll_told_is_that_of_the_win(history, found, judged):
    told = history(3).counted().buys("u-1", "won").asks_status("u-1", "7001", "confirmed")
    assert ("u-1 was told that 7001 is theirs",) == tuple(text[:32] for text in found("lost", told).finding.witnesses)
    assert 1 == judged(told).counts.promised


def test_nobody_is_told_that_it_is_over_and_it_is(history, judged):
    told = queueing(history, polls=False, but=("status", "won", "number"))
    told.tables["orders"].pop()
    assert "nobody was told sold-out" in texts(judged(told.with_sale(left_units=1)))


# Steps before the purchase.


def test_steps_are_no_orders_and_one_that_failed_is_no_demand(history, judged, found):
    told = history(3).counted(left=1)
    for n in range(1, 7):
        told.steps(f"u-{n}")
        told.buys(f"u-{n}", won=f"{n}").row(f"{n}", f"u-{n}") if n < 3 else told.steps(
            f"u-{n}", "HTTP 401", at=-0.5, http=401
        )
    assert "VALID" == found("undersell", told).finding.verdict
    assert "INVALID" == found("undersell", told.buys("u-7", "throttled")).finding.verdict
    assert (2, 0) == (judged(told).counts.promised, judged(told).counts.unresolved)


def test_an_order_of_one_who_was_turned_back_is_no_demand_either(history, found):
    told = (
        history(2)
        .counted(left=1)
        .buys("u-1", won="1")
        .row("1", "u-1")
        .steps("u-2", "no token")
        .buys("u-2", "throttled")
    )
    assert "VALID" == found("undersell", told).finding.verdict
    assert "INVALID" == found("undersell", told.steps("u-2", at=-0.2)).finding.verdict


# A generator that died, and buyers with names of the shop's.


@pytest.mark.parametrize(("buyer", "state"), [
    ("b-000007", "VALID"), ("b-100000000000", "INVALID"), ("s-1", "VALID"), ("alice", "VALID"), ("17", "VALID"), ("bob", "INVALID"), ("ada", "VALID"),
])  # fmt: skip
def test_a_row_whose_asking_died_with_its_generator(history, found, buyer, state):
    told = history(3).counted().generator(0, planned=5, whole=False).generator(1, planned=5)
    told.buys("bob", generator="g1").buys("ada", generator="g0").row("1", buyer)
    assert state == found("phantom", told).finding.verdict
    assert (
        "VALID"
        != found("phantom", history(3).counted().generator(0).generator(1).buys("bob").row("1", buyer)).finding.verdict
    )
