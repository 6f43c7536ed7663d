"""Flatness: rows at W·L a second, never above, and not below while a backlog stands."""

import pytest

LIMITED = {"limiter_kind": "flat", "configured_per_s": 10.0, "workers": 1, "burst": 2}


def rows(told, times):
    for n, at in enumerate(times):
        told.row(f"s-{n}", f"b-{n}", at=at)
    return told


def steps(begins, ends, per_s):
    return [begins + n / per_s for n in range(int((ends - begins) * per_s) + 1)]


def test_a_steady_limiter(history, found):
    result = found("flatness", rows(history(**LIMITED).backlog(0, 5), steps(0.1, 5, 10)))
    assert ("VALID", "busiest second 10; steady 10.0/s") == (result.finding.verdict, result.finding.observed)
    assert result.finding.bound == "≤ 12 in any second, ≥ 9/s under a backlog"


def test_without_a_limiter_there_is_nothing_to_hold(history, found):
    result = found("flatness", rows(history(), steps(0, 1, 100)))
    assert ("VALID", "no limiter") == (result.finding.verdict, result.finding.observed)


def test_the_allowed_burst_and_not_one_row_more(history, found):
    second = [1.0 + n * 0.9999999 / 11 for n in range(12)]
    assert found("flatness", rows(history(**LIMITED), second)).finding.verdict == "VALID"
    result = found("flatness", rows(history(**LIMITED), [*second, 1.5]))
    assert ("13 rows in the second from T0 +1.000 s; at most 12",) == result.finding.witnesses


def test_a_row_one_second_later_is_in_the_next_window(history, found):
    assert found("flatness", rows(history(**LIMITED), [0.5] * 12 + [1.5])).finding.verdict == "VALID"


def test_the_upper_bound_holds_for_all_workers_together(history, found):
    two = LIMITED | {"configured_per_s": 20.0, "workers": 2}
    assert found("flatness", rows(history(**two), [0.5] * 24)).finding.verdict == "VALID"
    assert found("flatness", rows(history(**two), [0.5] * 25)).units == 1


def test_no_limiter_at_work_shows_without_any_backlog(history, found):
    assert found("flatness", rows(history(**LIMITED), steps(0, 0.4, 100))).finding.verdict == "INVALID"


def test_a_collapse_to_two_a_second(history, found):
    result = found("flatness", rows(history(**LIMITED).backlog(0, 10), steps(0.1, 10, 2)))
    assert ("2.0/s during the backlog of 10.0 s from T0 +0.000 s; at least 9/s",) == result.finding.witnesses


def test_just_under_nine_tenths(history, found):
    assert found("flatness", rows(history(**LIMITED).backlog(0, 10), steps(0, 10, 8.9))).units == 1
    assert found("flatness", rows(history(**LIMITED).backlog(0, 10), steps(0, 10, 9.1))).units == 0


def test_rows_in_one_bunch_are_not_steady(history, found):
    result = found("flatness", rows(history(**LIMITED).backlog(0, 5), steps(0, 0.9, 10)))
    assert result.units == 1


def test_a_backlog_of_which_nothing_is_worked_off(history, found):
    assert "0.0/s during" in found("flatness", history(**LIMITED).backlog(0, 5)).finding.witnesses[0]


def test_a_slow_rate_without_a_backlog_is_only_low_demand(history, found, judged):
    told = rows(history(**LIMITED).backlog(0, 1.5).queue_reads(1.7, 5), steps(0, 5, 2))
    assert ("VALID", "busiest second 2; no backlog of 2 s") == (
        found("flatness", told).finding.verdict, found("flatness", told).finding.observed,
    )  # fmt: skip
    assert any("was not tested" in doubt.text for doubt in judged(told).doubts)


def test_a_gap_in_the_samples_is_no_backlog_and_may_have_hidden_one(history, found):
    told = history(**LIMITED).sample("broker", "ready", 5, at=0).sample("broker", "ready", 5, at=5)
    result = found("flatness", rows(told, [1, 4]))
    assert ("UNKNOWN", ()) == (result.finding.verdict, result.finding.witnesses)
    assert (
        "a backlog may have stood unseen for 3.9 s from T0 +0.000 s: the broker was not read" in result.doubts[0].text
    )


def test_without_a_broker_probe_the_backlog_is_what_was_promised_and_not_stored(history, found):
    told = history(**LIMITED)
    for n in range(8):
        told.buys(f"b-{n}", won=f"s-{n}", at=0).row(f"s-{n}", f"b-{n}", at=1 + n)
    assert "1.0/s during" in found("flatness", told).finding.witnesses[0]


def test_the_tail_of_several_workers_is_no_backlog(history, found):
    told = history(**LIMITED | {"configured_per_s": 20.0, "workers": 2})
    for tick in range(100):
        told.sample("broker", "ready", 0, tick / 10).sample("broker", "unacked", 8, tick / 10)
    assert found("flatness", rows(told, steps(0, 10, 10))).finding.verdict == "VALID"


def test_rows_without_a_time_prove_nothing(history, found):
    result = found("flatness", rows(history(**LIMITED), [None]))
    assert result.finding.verdict == "UNKNOWN"
    assert "1 rows carry no time of creation" in result.doubts[0].text


@pytest.mark.parametrize("start", [-100.0, 0.0])
def test_only_the_sale_counts(history, found, start):
    told = rows(history(**LIMITED).backlog(0, 5), steps(0, 5, 10))
    told.sample("broker", "ready", 1, at=start)
    assert found("flatness", told).finding.verdict == "VALID"


def test_while_a_fault_goes_on_no_rate_is_asked_for(history, found):
    stopped = [*steps(0.1, 3, 10), *steps(8, 11, 10)]
    killed = history(**LIMITED).backlog(0, 11).fault("kill worker", observed=3.0, recovered=7.0)
    assert found("flatness", rows(killed, stopped)).finding.verdict == "VALID"
    assert found("flatness", rows(history(**LIMITED).backlog(0, 11), stopped)).finding.verdict == "INVALID"


def test_one_limit_of_all_workers_has_one_burst(history, found):
    shared = LIMITED | {"limiter_kind": "shared", "workers": 4}
    assert found("flatness", rows(history(**shared), [0.5] * 12)).finding.verdict == "VALID"
    result = found("flatness", rows(history(**shared), [0.5] * 13))
    assert ("13 rows in the second from T0 +0.500 s; at most 12",) == result.finding.witnesses


@pytest.fixture
def lowered(history):
    """10/s until T0 + 5 s, and then 4/s, under a backlog that stands all the time."""
    return history(**LIMITED).backlog(0, 11).limit(4.0, at=5.0)


def test_each_span_is_held_against_the_limit_that_held_in_it(lowered, found):
    result = found("flatness", rows(lowered, [*steps(0.1, 5, 10), *steps(5.25, 11, 4)]))
    assert "VALID" == result.finding.verdict, result.finding.witnesses
    assert (
        "≤ 12 in any second, ≥ 9/s under a backlog; ≤ 6 in any second, ≥ 3.6/s under a backlog from T0 +5.000 s"
        == result.finding.bound
    )


def test_the_steady_rate_of_a_changed_limit_stands_beside_what_was_allowed_meanwhile(lowered, judged):
    rate = judged(rows(lowered, [*steps(0.1, 5, 10), *steps(5.25, 11, 4)])).rate
    assert 4 < rate.configured_per_s < 10
    assert rate.steady_per_s == pytest.approx(rate.configured_per_s, rel=0.05)


def test_a_lowered_limit_that_is_not_kept(lowered, found):
    result = found("flatness", rows(lowered, steps(0.1, 11, 10)))
    assert (
        "11 rows in the second from T0 +6.000 s; at most 6",
    ) == result.finding.witnesses or "at most 6" in result.finding.witnesses[0]


def test_a_second_of_grace_around_a_change_is_held_against_the_higher_limit(lowered, found):
    late = [*steps(0.1, 5.9, 10), *steps(6.95, 11, 4)]
    assert found("flatness", rows(lowered, late)).finding.verdict == "VALID"
    lowered.row("s-x", "b-x", at=5.5).row("s-y", "b-y", at=5.5).row("s-z", "b-z", at=5.5)
    assert "at most 12" in found("flatness", lowered).finding.witnesses[0]


def test_a_raised_limit_must_be_met(history, found):
    raised = history(**LIMITED).backlog(0, 11).limit(20.0, at=5.0)
    result = found("flatness", rows(raised, steps(0.1, 11, 10)))
    assert ("10.0/s during the backlog of 4.9 s from T0 +6.100 s; at least 18/s",) == result.finding.witnesses


def test_a_change_that_nobody_took_changes_nothing(history, found, judged):
    told = rows(history(**LIMITED).backlog(0, 8).limit(4.0, at=4.0, answered=0), steps(0.1, 8, 10))
    assert found("flatness", told).finding.verdict == "VALID"
    assert any("0 of 1 workers said that they took the limit of 4/s" in doubt.text for doubt in judged(told).doubts)


def test_changes_that_do_not_parse_leave_the_limit_unknown(history, found, tmp_path):
    told = rows(history(**LIMITED), [0.5]).limit("a few", at=1.0)
    result = found("flatness", told)
    assert result.finding.verdict == "UNKNOWN"
    assert "limits.jsonl does not parse" in result.doubts[0].text


def promised(history, times, at=0.01, **limited):
    """Everything is promised within 10 ms of T0, and written at `times`."""
    told = history(stock=len(times), **LIMITED | limited)
    for n, each in enumerate(times, 1):
        told.buys(f"b-{n}", won=f"s-{n}", at=0, took=at).row(f"s-{n}", f"b-{n}", at=each)
    return told


COLLAPSED = [n / 2 for n in range(1, 31)]  # 2/s, where 10/s are allowed


def test_promises_without_rows_are_a_backlog_where_the_broker_was_read_too_seldom(history, found):
    result = found("flatness", promised(history, COLLAPSED).queue_reads(0, 15, ready=1, hz=0.5))
    assert ("INVALID", True) == (result.finding.verdict, "2.0/s during the backlog of" in result.finding.witnesses[0])
    steady = promised(history, [n / 10 for n in range(1, 61)]).queue_reads(0, 6, ready=1, hz=0.5)
    assert "VALID" == found("flatness", steady).finding.verdict


@pytest.mark.parametrize(
    ("hz", "remedy"),
    [(0.5, "raise sampler.hz, which was 0.5"), (10.0, "log of the sampler"), (None, "raise sampler.hz to 2")],
)
def test_less_than_a_seconds_work_is_not_seen_between_readings_and_the_remedy_fits(history, found, hz, remedy):
    few = promised(history, COLLAPSED[:9]).queue_reads(0, 5, ready=1, hz=0.5)
    result = found("flatness", few.with_sale(sampler_hz=hz) if hz else few)
    assert ("UNKNOWN", True) == (result.finding.verdict, remedy in result.doubts[0].remedy), result


def test_a_sampler_that_died_during_the_drain(history, found, judged):
    died = promised(history, COLLAPSED[:9]).queue_reads(0, 0.5, ready=9)
    assert "UNKNOWN" == found("flatness", died).finding.verdict
    assert "was not tested" not in " ".join(doubt.text for doubt in judged(died).doubts)


def test_a_sampler_that_began_late(history, found):
    late = promised(history, COLLAPSED[:9]).queue_reads(3, 5)
    assert "from T0 +0.000 s" in found("flatness", late).doubts[0].text


def test_a_gap_in_which_nothing_was_on_its_way_hides_no_backlog(history, found):
    told = (
        promised(history, [0.1, 0.2])
        .queue_reads(0, 0.3)
        .queue_reads(5, 6)
        .buys("b-9", won="s-9", at=5.5)
        .row("s-9", "b-9", at=5.6)
    )
    assert "VALID" == found("flatness", told).finding.verdict


def test_a_gap_at_the_end_of_a_backlog_that_was_judged_is_no_doubt(history, found):
    told = promised(history, [n / 10 for n in range(1, 61)]).queue_reads(0, 3, ready=1)
    assert ("VALID", True) == (
        found("flatness", told).finding.verdict,
        "steady 10.0/s" in found("flatness", told).finding.observed,
    )


def test_a_gap_under_a_fault_is_no_doubt(history, found):
    told = promised(history, COLLAPSED[:9]).fault("kill worker", observed=0.1, recovered=6)
    assert "VALID" == found("flatness", told.queue_reads(0, 0.1)).finding.verdict


def test_where_nothing_at_all_was_sampled_a_limiter_is_not_proven(fair, judged):
    limited = {"limiter_kind": "flat", "configured_per_s": 100.0}
    verdict = judged(fair(**limited))
    assert ("UNKNOWN", True) == (verdict.verdict, "there are no samples" in verdict.sentence)
    assert "VALID" == judged(fair()).verdict


def test_a_seconds_silence_at_the_end_of_a_backlog_counts(history, found):
    told = rows(history(**LIMITED).backlog(0, 3), steps(0.1, 2, 10))
    assert ("INVALID", "6.9/s") == (
        found("flatness", told).finding.verdict,
        found("flatness", told).finding.witnesses[0][:5],
    )
    assert "VALID" == found("flatness", rows(history(**LIMITED).backlog(0, 3), steps(0.1, 2.9, 10))).finding.verdict


def test_orders_that_the_database_refused_are_no_rows(history, judged):
    told = rows(history(stock=72, **LIMITED | {"configured_per_s": 50.0}).backlog(0, 4), steps(0.02, 3, 35)).with_sale(
        near_misses=100
    )
    verdict = judged(told)
    assert 25 < verdict.rate.steady_per_s < 27


def test_a_pause_no_longer_than_those_before_is_no_silence(history, found):
    bunches = [second + n / 1000 for second in range(1, 8) for n in range(10)]
    assert (
        "VALID" == found("flatness", rows(history(**LIMITED | {"burst": 12}).backlog(0, 7.95), bunches)).finding.verdict
    )


@pytest.mark.parametrize("per_s", [0.5, 1.0])
def test_a_slow_limit_that_is_kept(history, found, per_s):
    slow = LIMITED | {"configured_per_s": per_s}
    for ends in (4.4, 7.9, 12.9):
        told = rows(history(**slow).backlog(0, ends), steps(0.9, ends, per_s))
        assert "VALID" == found("flatness", told).finding.verdict, (per_s, ends)


def test_rows_without_a_time_are_not_missing_from_a_rate(history, found):
    told = rows(history(**LIMITED).backlog(0, 5), [*steps(0.1, 5, 5), *[None] * 25])
    assert "UNKNOWN" == found("flatness", told).finding.verdict


@pytest.mark.parametrize(("hz", "state"), [(1.05, "INVALID"), (0.95, "UNKNOWN"), (0.7, "UNKNOWN"), (0.3, "UNKNOWN")])
def test_readings_more_than_a_second_apart_are_too_few(history, found, hz, state):
    few = promised(history, COLLAPSED[:9]).queue_reads(0, 4.5, ready=1, hz=hz)
    assert state == found("flatness", few).finding.verdict


def test_a_sampler_that_began_a_second_late_is_no_doubt(history, found):
    told = promised(history, [n / 5 for n in range(1, 9)]).queue_reads(1.05, 1.6, ready=1).queue_reads(1.7, 3)
    assert "VALID" == found("flatness", told).finding.verdict
