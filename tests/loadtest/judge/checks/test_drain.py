"""Drain: an empty queue before the deadline."""


def test_drained(history, found):
    result = found("drain", history())
    assert ("VALID", "drained", "empty within 60 s") == (
        result.finding.verdict,
        result.finding.observed,
        result.finding.bound,
    )


def test_what_still_waits_is_named(history, found):
    result = found("drain", history().undrained().queued("s-1", "ready").queued("s-2", "unacked"))
    assert ("INVALID", "2 still queued, 1 of them unacked") == (result.finding.verdict, result.finding.observed)
    assert ("s-1 was still ready", "s-2 was still unacked") == result.finding.witnesses


def test_rows_that_still_moved(history, found):
    assert ("the queue was empty, but rows had not stood still",) == found(
        "drain", history().undrained()
    ).finding.witnesses


def test_messages_that_only_a_dead_worker_may_hold_are_unknown(history, found):
    result = found("drain", history().undrained().queued("s-1", "unacked"))
    assert result.finding.verdict == "UNKNOWN"
    assert "return only after 3600 s" in result.doubts[0].text


def test_past_the_redelivery_time_they_are_stuck(history, found):
    result = found("drain", history(deadline_s=4000.0).undrained().queued("s-1", "unacked"))
    assert result.finding.verdict == "INVALID"


def test_a_run_stopped_before_its_deadline_cannot_tell(history, found):
    told = history().undrained().queued("s-1").sample("run", "phase.reading", 1, at=5)
    assert found("drain", told).finding.verdict == "UNKNOWN"
    assert found("drain", history().undrained().queued("s-1").sample("run", "phase.reading", 1, at=60)).units == 1


def test_what_rabbitmq_does_not_name_counts_until_everything_has_drained(history, found):
    told = history(deadline_s=4000.0).queued(None, "unacked")
    assert found("drain", told).finding.observed == "drained"
    result = found("drain", told.undrained())
    assert ("INVALID", ("an order was still unacked",)) == (result.finding.verdict, result.finding.witnesses)


def test_held_orders_at_the_deadline_are_unknown_before_rabbitmq_takes_them_back(history, found):
    result = found("drain", history(redelivery_s=1800.0).undrained().queued(None, "unacked"))
    assert result.finding.verdict == "UNKNOWN"
    assert "return only after 1800 s" in result.doubts[0].text
    assert found("drain", history(redelivery_s=59.0).undrained().queued("s-1", "unacked")).finding.verdict == "INVALID"


def test_a_broker_that_does_not_say_what_is_held_leaves_it_open(history, found):
    told = history(deadline_s=4000.0).queued(None, "unknown")
    assert found("drain", told).finding.verdict == "VALID"
    result = found("drain", told.undrained())
    assert ("UNKNOWN", "not drained") == (result.finding.verdict, result.finding.observed)
    assert "rabbitmq_management" in result.doubts[0].remedy
    assert found("drain", told.queued("s-1", "ready")).finding.witnesses == ("s-1 was still ready",)
