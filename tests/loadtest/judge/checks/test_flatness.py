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
    told = rows(history(**LIMITED).backlog(0, 1.5), steps(0, 5, 2))
    assert ("VALID", "busiest second 2; no backlog of 2 s") == (
        found("flatness", told).finding.verdict, found("flatness", told).finding.observed,
    )  # fmt: skip
    assert any("was not tested" in doubt.text for doubt in judged(told).doubts)


def test_a_gap_in_the_samples_is_no_backlog(history, found):
    told = history(**LIMITED).sample("broker", "ready", 5, at=0).sample("broker", "ready", 5, at=5)
    assert found("flatness", rows(told, [1, 4])).finding.verdict == "VALID"


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
