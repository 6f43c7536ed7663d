"""Told untrue: what a poll said of an order, held against the rows."""

import pytest


@pytest.fixture
def settled(history):
    """A sale of two units whose rows had been seen by 1 s."""
    return lambda **sale: history(2, **sale).sample("truth", "rows", 0, at=0).sample("truth", "rows", 2, at=1)


def followed(told, *polls, number="s-1"):
    for at, outcome in polls:
        told.asks_status("b-1", number, outcome, at=at)
    return told


def test_what_was_told_is_what_is_stored(settled, found):
    told = followed(settled().sells("b-1", "s-1").sells("b-2", "s-2"), (0.02, "pending"), (1.5, "confirmed"))
    result = found("told_untrue", told)
    assert ("VALID", "0 of 1 polled orders", "0") == (
        result.finding.verdict, result.finding.observed, result.finding.bound,
    )  # fmt: skip


def test_nobody_polled(history, found):
    result = found("told_untrue", history().sells("b-1", "s-1"))
    assert ("VALID", "nobody polled") == (result.finding.verdict, result.finding.observed)


# Confirmed, and no row.


@pytest.mark.parametrize(
    "kept",
    [
        lambda told: told,
        lambda told: told.row("s-1", "b-2"),
        lambda told: told.row("s-2", "b-1"),
        lambda told: told.claim("s-1", "b-1"),
        lambda told: told.rejects("s-1", "b-1"),
        lambda told: told.undrained().queued("s-1"),
    ],
    ids=["nothing", "another's row", "another number", "a claim", "a rejection", "still queued"],
)
def test_confirmed_without_a_row_of_that_number_and_buyer(history, found, kept):
    told = kept(followed(history().buys("b-1", won="s-1"), (1, "confirmed")))
    assert ("a poll told b-1 that s-1 is confirmed (op 2 of g1, T0 +1.010 s), and there is no such row",) == found(
        "told_untrue", told
    ).finding.witnesses


def test_rows_without_buyers_confirm_the_number(history, found):
    told = followed(history().buys("b-1", won="s-1"), (1, "confirmed")).row("s-1", None)
    assert found("told_untrue", told).finding.verdict == "VALID"


def test_a_confirmation_that_was_taken_back_is_no_confirmation(history, found):
    told = followed(history().buys("b-1", won="s-1").rejects("s-1", "b-1"), (1, "confirmed"), (2, "rejected"))
    assert found("told_untrue", told).finding.verdict == "VALID"


# Rejected, and there is one.


def test_rejected_with_a_row(history, found):
    told = followed(history().sells("b-1", "s-1"), (1, "rejected"))
    assert ("a poll told b-1 that s-1 is rejected (op 2 of g1, T0 +1.010 s), and there is a row of theirs",) == found(
        "told_untrue", told
    ).finding.witnesses


def test_rejected_and_the_row_is_of_whoever_bought_it_next(history, found):
    told = followed(history().buys("b-1", won="s-1"), (1, "rejected")).sells("b-2", "s-1", at=2)
    assert found("told_untrue", told).finding.verdict == "VALID"


@pytest.mark.parametrize(
    "later",
    [
        lambda told: told.asks_status("b-1", "s-1", "confirmed", at=2),
        lambda told: told.buys("b-1", won="s-1", at=2),
        lambda told: told.buys("b-1", again="s-1", kind="retry", at=2),
        lambda told: told.buys("b-1", "unknown", at=2),
        lambda told: told.buys("b-1", "unknown", took=None),
    ],
    ids=["confirmed", "won again", "told again", "asked again", "asked at an unknown time"],
)
def test_a_rejection_that_was_put_right_is_no_lie(history, found, later):
    told = later(followed(history().sells("b-1", "s-1"), (1, "rejected")))
    assert found("told_untrue", told).finding.verdict == "VALID"


# Never learnt either.


def test_a_winner_who_never_learnt_what_became_of_it(settled, found):
    told = settled().sells("b-1", "s-1").sells("b-2", "s-2")
    for at in range(1, 61):
        told.asks_status("b-1", "s-1", "pending", at=at)
    result = found("told_untrue", told)
    assert (
        "b-1 was last told that s-1 is pending (op 62 of g1, T0 +60.010 s), 59.0 s after everything had drained; its row is there",
    ) == result.finding.witnesses


def test_a_winner_who_was_rejected_and_never_learnt_it(settled, found):
    told = settled().sells("b-2", "s-2").sells("b-3", "s-3").buys("b-1", won="s-1").rejects("s-1", "b-1")
    result = found("told_untrue", followed(told, (1, "pending"), (30, "pending")))
    assert result.finding.witnesses[0].endswith("; it is among the rejected")


@pytest.mark.parametrize(
    "polls",
    [
        [(0.5, "pending")],
        [(0.5, "pending"), (1.4, "pending")],
        [(0.5, "pending"), (5.9, "pending")],
        [(0.5, "pending"), (30, "pending"), (31, "confirmed")],
        [(0.5, "pending"), (30, "unknown"), (31, "unknown")],
        [(30, "unknown"), (31, "unknown")],
    ],
    ids=["before its row", "just after", "within a fair time", "then confirmed", "no answer later", "never an answer"],
)
def test_a_buyer_who_could_not_yet_know_is_no_witness(settled, found, polls):
    told = followed(settled().sells("b-1", "s-1").sells("b-2", "s-2"), *polls)
    told.asks_status("b-2", "s-2", "confirmed", at=2)
    assert found("told_untrue", told).finding.verdict == "VALID"


def test_a_row_written_after_the_last_poll_is_no_lie(history, found):
    told = history(2).sells("b-2", "s-2").buys("b-1", won="s-1").row("s-1", "b-1", at=58)
    told.sample("truth", "rows", 1, at=1).sample("truth", "rows", 1, at=57.5).sample("postgres", "rows", 2, at=58.5)
    assert found("told_untrue", followed(told, (1, "pending"), (59, "pending"))).finding.verdict == "VALID"


def test_while_orders_are_queued_nobody_is_due_an_answer(history, found):
    told = history(2).sells("b-2", "s-2").buys("b-1", won="s-1").rejects("s-1", "b-1").sample("truth", "rows", 1, at=1)
    told.sample("broker", "ready", 0, at=1).sample("broker", "unacked", 1, at=57).sample("broker", "unacked", 0, at=58)
    assert found("told_untrue", followed(told, (1, "pending"), (59, "pending"))).finding.verdict == "VALID"


def test_a_message_that_outlives_its_row_keeps_its_buyer_waiting(history, found):
    """As that of a worker that was killed after the commit: it is delivered again, and only then is the order confirmed."""
    told = history(2).sells("b-1", "s-1").sells("b-2", "s-2").sample("truth", "rows", 2, at=1)
    for at, unacked in ((1, 1), (29.5, 1), (29.7, 0)):
        told.sample("broker", "ready", 0, at=at).sample("broker", "unacked", unacked, at=at)
    assert found("told_untrue", followed(told, (1, "pending"), (29.4, "pending"))).finding.verdict == "VALID"
    assert found("told_untrue", followed(told, (40, "pending"))).units == 1


def test_when_something_broke_and_nobody_knows_what_workers_hold_pending_proves_nothing(history, found):
    told = history(2, drained_ns=1_900_000_000_000_000_000 + 61 * 10**9).sells("b-1", "s-1").sells("b-2", "s-2")
    told.sample("truth", "rows", 2, at=1).sample("broker", "ready", 0, at=1)
    followed(told, (1, "pending"), (29.4, "pending"))
    assert found("told_untrue", told).units == 1, "nothing broke, so no message outlives its row"
    result = found("told_untrue", told.fault("kill worker", observed=0.1, recovered=0.5))
    assert ("UNKNOWN", None) == (result.finding.verdict, result.units)
    assert "no sample tells whether anything was still on its way" in result.doubts[0].text


def test_before_it_drained_nobody_is_due_an_answer(settled, found):
    told = followed(settled().undrained().sells("b-1", "s-1").sells("b-2", "s-2"), (1, "pending"), (30, "pending"))
    assert found("told_untrue", told).finding.verdict == "VALID"


def test_an_order_that_is_lost_is_not_called_untrue_too(settled, found):
    told = followed(
        settled().sells("b-2", "s-2").sells("b-3", "s-3").buys("b-1", won="s-1"), (1, "pending"), (30, "pending")
    )
    assert found("told_untrue", told).finding.verdict == "VALID"


def test_without_samples_the_drain_says_when_everything_had_settled(history, found):
    told = history(2, drained_ns=1_900_000_000_000_000_000 + 10**9).sells("b-1", "s-1").sells("b-2", "s-2")
    assert found("told_untrue", followed(told, (1, "pending"), (30, "pending"))).units == 1
    told.with_sale(drained_ns=1_900_000_000_000_000_000 + 61 * 10**9)
    result = found("told_untrue", told)
    assert ("UNKNOWN", None) == (result.finding.verdict, result.units)
    assert "1 winners were last told pending, seconds after their rows by the database's clock" in result.doubts[0].text


def test_a_status_that_nobody_understood_proves_nothing(history, found):
    told = history().sells("b-1", "s-1")
    for at in (1, 2):
        told.buys("b-1", "unknown", number="s-1", kind="status", at=at, error="HTTP 200, status None")
    result = found("told_untrue", told)
    assert ("UNKNOWN", None) == (result.finding.verdict, result.units)
    assert "none of 2 polls was answered with a state that the manifest names" in result.doubts[0].text
    silent = history().sells("b-1", "s-1").buys("b-1", "unknown", number="s-1", kind="status", http=None, at=1)
    assert found("told_untrue", silent).finding.verdict == "VALID"


# Runs that did not record which number was asked for.


def test_a_poll_without_a_number_is_about_the_only_promise(settled, found):
    for outcome, kept in (("confirmed", False), ("rejected", True), ("pending", True)):
        told = followed(settled().buys("b-1", won="s-1").sells("b-2", "s-2"), (30, outcome), number=None)
        if kept:
            told.row("s-1", "b-1")
        else:
            told.row("s-3", "b-3")
        assert found("told_untrue", told).units == 1, outcome


def test_a_poll_without_a_number_of_a_buyer_with_two_promises_is_about_either(history, found):
    told = history(2, per_buyer=2).sells("b-1", "s-1").buys("b-1", won="s-2", at=1)
    assert found("told_untrue", followed(told, (2, "confirmed"), number=None)).finding.verdict == "VALID"
    assert found("told_untrue", followed(told, (3, "rejected"), number=None)).finding.verdict == "VALID"
