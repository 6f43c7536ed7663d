"""Lost: told that it is theirs, and nowhere stored."""


def test_a_promise_with_a_row_is_kept(history, found):
    result = found("lost", history().sells("b-1", "s-1"))
    assert ("VALID", "0 lost, 0 late, of 1 promises") == (result.finding.verdict, result.finding.observed)


def test_a_promise_without_a_row_is_lost(history, found):
    result = found("lost", history().buys("b-1", won="s-1", at=0.1))
    expected = "b-1 was told that s-1 is theirs (op 1 of g1, T0 +0.110 s); it has no row, and was not rejected"
    assert ("INVALID", (expected,)) == (result.finding.verdict, result.finding.witnesses)


def test_already_bought_with_a_number_acknowledges_it(history, found):
    assert found("lost", history().buys("b-1", again="s-1")).units == 1


def test_told_twice_is_lost_once(history, found):
    assert found("lost", history().buys("b-1", won="s-1").buys("b-1", again="s-1")).units == 1


def test_an_order_in_the_final_rejections_is_not_lost(history, found):
    assert found("lost", history().buys("b-1", won="s-1").rejects("s-1", "b-1")).finding.verdict == "VALID"


def test_a_buyer_who_was_told_of_the_rejection_lost_nothing(history, found):
    told = history().buys("b-1", won="s-1").asks_status("b-1", "s-1", "rejected")
    assert found("lost", told).finding.verdict == "VALID"


def test_the_rejection_of_another_buyer_is_no_excuse(history, found):
    assert found("lost", history().buys("b-1", won="s-1").rejects("s-1", "b-2")).units == 1


def test_late_is_not_lost(history, found):
    for state in ("ready", "unacked", "scheduled"):
        result = found("lost", history().undrained().buys("b-1", won="s-1").queued("s-1", state))
        assert ("VALID", "0 lost, 1 late, of 1 promises") == (result.finding.verdict, result.finding.observed)


def test_a_held_claim_is_late_until_everything_has_drained(history, found):
    assert found("lost", history().undrained().buys("b-1", won="s-1").claim("s-1", "b-1")).finding.verdict == "VALID"
    drained = found("lost", history().buys("b-1", won="s-1").claim("s-1", "b-1"))
    assert drained.finding.witnesses[0].endswith("; its claim is held, and nothing is queued")


def test_past_the_deadline_a_promise_that_is_nowhere_is_lost(history, found):
    assert found("lost", history().undrained().buys("b-1", won="s-1")).units == 1


def test_a_number_for_sale_again_says_so(history, found):
    result = found("lost", history().buys("b-1", won="s-1").token("s-1"))
    assert result.finding.witnesses[0].endswith("; it is for sale again")


def test_a_run_stopped_before_its_deadline_cannot_tell(history, found):
    told = history().undrained().buys("b-1", won="s-1").sample("run", "phase.reading", 1, at=5)
    result = found("lost", told)
    assert ("UNKNOWN", None) == (result.finding.verdict, result.units)
    assert "before its deadline" in result.doubts[0].text


def test_a_row_of_another_buyer_is_not_called_lost_too(history, found):
    assert found("lost", history().buys("b-1", won="s-1").row("s-1", "b-2")).finding.verdict == "VALID"


def test_wins_without_a_number_need_as_many_rows(history, found):
    assert found("lost", history().buys("b-1", "won").row(None, "b-1")).finding.verdict == "VALID"
    assert found("lost", history(per_buyer=2).buys("b-1", "won").buys("b-1", "won", at=1).row(None, "b-1")).units == 1


def test_an_unknown_order_without_a_row_is_not_lost(history, found):
    assert found("lost", history().buys("b-1", "unknown")).finding.verdict == "VALID"


def test_before_it_drained_an_order_may_be_held_by_a_worker_that_nobody_can_name(history, found):
    for state in ("unacked", "unknown"):
        told = history().buys("b-1", won="s-1").queued(None, state)
        assert found("lost", told).finding.verdict == "INVALID", "rows decide once everything has drained"
        result = found("lost", told.undrained())
        assert ("UNKNOWN", None) == (result.finding.verdict, result.units)
        assert "1 promises had no row at the deadline; workers may hold their orders" in result.doubts[0].text
    assert found("lost", history().undrained().sells("b-1", "s-1").queued(None, "unknown")).finding.verdict == "VALID"


def test_a_win_without_a_number_is_a_promise_like_any_other(history, found):
    told = history(stock=1).sells("b-1", "s-1")
    for n in range(2, 77):
        told.buys(f"b-{n}", "won", error="HTTP 202 without 'number' in its answer", at=1)
    result = found("lost", told)
    assert ("INVALID", 75) == (result.finding.verdict, result.units)
    assert result.finding.witnesses[0].startswith("b-10 was told that a unit is theirs (op ")


def test_a_win_with_an_empty_number_is_one_without(history, found):
    for number in ("", " "):
        result = found("lost", history().buys("b-1", "won", number=number))
        assert "b-1 was told that a unit is theirs" in result.finding.witnesses[0]


def test_a_buyer_needs_as_many_rows_as_promises_with_a_number_or_without(history, found):
    told = history(per_buyer=2).buys("b-1", won="s-1").buys("b-1", "won", at=1)
    assert found("lost", told.row("s-1", "b-1")).units == 1
    assert found("lost", told.row("s-2", "b-1")).finding.verdict == "VALID"


def test_a_number_told_with_already_bought_is_that_of_a_win_without_one(history, judged):
    told = history(stock=1).buys("b-1", "won").buys("b-1", again="s-1", at=1).row("s-1", "b-1").buys("b-2", at=2)
    assert "VALID" == judged(told.buys("b-3", at=2)).verdict


def test_before_it_drained_a_win_without_a_number_may_be_late(history, found):
    assert found("lost", history().buys("b-1", "won").undrained().queued("s-1")).finding.verdict == "VALID"


def test_a_rejection_withdraws_a_win_without_a_number(history, found):
    assert found("lost", history().buys("b-1", "won").rejects("s-1", "b-1")).finding.verdict == "VALID"
    assert found("lost", history().buys("b-1", "won").asks_status("b-1", None, "rejected")).finding.verdict == "VALID"
    told = history(per_buyer=2).buys("b-1", "won").buys("b-1", "won", at=1).rejects("s-1", "b-1")
    assert found("lost", told).units == 1


def test_a_rejection_told_without_a_number_is_that_of_the_only_promise(history, found):
    told = history().buys("b-1", won="s-1").asks_status("b-1", None, "rejected")
    assert found("lost", told).finding.verdict == "VALID"


def test_a_rejection_told_without_a_number_may_be_of_any_of_two_promises(history, found):
    told = (
        history(per_buyer=2)
        .buys("b-1", won="s-1")
        .buys("b-1", won="s-2", at=1)
        .asks_status("b-1", None, "rejected", at=2)
    )
    assert found("lost", told).units == 2


def test_a_rejection_that_was_taken_back_withdraws_nothing(history, found):
    told = (
        history()
        .buys("b-1", won="s-1")
        .asks_status("b-1", "s-1", "rejected")
        .asks_status("b-1", "s-1", "confirmed", at=2)
    )
    assert found("lost", told).units == 1


def test_a_claim_of_another_buyer_does_not_make_a_promise_late(history, found):
    told = history().undrained().buys("b-1", won="s-1").buys("b-2").claim("s-1", "b-2")
    assert found("lost", told).units == 1
