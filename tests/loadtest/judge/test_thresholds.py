"""Thresholds: read before the run, held against it afterwards."""

import pytest

from loadtest.errors import UsageError
from loadtest.judge.thresholds import METRICS, parse_threshold


@pytest.mark.parametrize(
    ("expression", "parts"),
    [
        ("p99_ms < 200", ("p99_ms", "<", 200.0)),
        ("db_commits_per_s.max<=60", ("db_commits_per_s.max", "<=", 60.0)),
        ("  sold == 1000 ", ("sold", "==", 1000.0)),
        ("drain_s>0.5", ("drain_s", ">", 0.5)),
        ("answered.p99_ms < 200", ("answered.p99_ms", "<", 200.0)),
        ("requests_per_s.max >= 1e3", ("requests_per_s.max", ">=", 1000.0)),
    ],
)
def test_an_expression_is_metric_operator_number(expression, parts):
    threshold = parse_threshold(expression)
    assert parts == (threshold.metric, threshold.operator, threshold.bound)


@pytest.mark.parametrize(
    ("expression", "hint"),
    [
        ("p99 < 200", "no metric 'p99'; nearest valid: 'p99_ms'"),
        ("answered.p9_ms < 200", "no metric 'answered.p9_ms'; nearest valid: 'answered.p99_ms'"),
        ("db_commits.max < 200", "no metric 'db_commits.max'; nearest valid: 'db_commits_per_s.max'"),
        ("leeked == 0", "nearest valid: 'leaked'"),
        ("p99_ms", "expected metric, one of <= >= == < >, number"),
        ("p99_ms => 3", "expected metric, one of"),
        ("p99_ms < fast", "expected a number after <, found 'fast'"),
        ("p99_ms < nan", "expected a finite number"),
        ("", "expected metric"),
    ],
)
def test_a_wrong_expression_names_what_was_expected(expression, hint):
    with pytest.raises(UsageError) as caught:
        parse_threshold(expression)
    assert hint in str(caught.value)


@pytest.mark.parametrize(("sign", "passing"), [("<", [1]), ("<=", [1, 2]), ("==", [2]), (">=", [2, 3]), (">", [3])])
def test_each_operator(sign, passing):
    threshold = parse_threshold(f"sold {sign} 2")
    assert passing == [observed for observed in (1, 2, 3) if threshold.holds(observed)]


def observed(verdict):
    return {result.expression: (result.observed, result.passed) for result in verdict.thresholds}


def test_latencies_of_answers_are_those_of_answered_orders_from_their_schedule(history, judged):
    told = history().holds("answered.p50_ms < 30", "answered.p95_ms < 30", "answered.max_ms <= 120")
    told.buys("b-1", won="s-1", took=0.02, late=0.1).buys("b-2", took=0.02).buys("b-3", took=0.01)
    told.buys("b-4", "unknown", took=9).buys("b-5", "pending", kind="status", took=9)
    assert {
        "answered.p50_ms < 30": (20, True), "answered.p95_ms < 30": (120, False), "answered.max_ms <= 120": (120, True)
    } == observed(judged(told))  # fmt: skip


def timed_out(history, answered, unanswered, **how):
    """Orders answered after 20 ms, and orders that were not."""
    told = history()
    for n in range(answered):
        told.buys(f"b-{n}", at=n / 1000, took=0.02)
    for n in range(unanswered):
        told.buys(f"c-{n}", "unknown", **{"took": 10, "http": None} | how)
    return told


def test_an_order_that_timed_out_counts_with_its_wait(history, judged):
    told = timed_out(history, 72, 30).holds("p50_ms < 200", "p99_ms < 200", "answered.p99_ms < 200", "max_ms < 200")
    assert {
        "p50_ms < 200": (20, True), "p99_ms < 200": (10_000, False), "answered.p99_ms < 200": (20, True), "max_ms < 200": (10_000, False)
    } == observed(judged(told))  # fmt: skip


def test_an_order_cut_short_counts_with_the_wait_until_then_and_its_lateness(history, judged):
    told = timed_out(history, 1, 3, took=0.5, late=0.25).holds("p99_ms < 200")
    assert {"p99_ms < 200": (750, False)} == observed(judged(told))


@pytest.mark.parametrize(("timeout_s", "expected_ms"), [(None, 30_000), (4.0, 4_000)])
def test_an_order_without_any_recorded_end_counts_until_the_last_moment_or_its_time_out(
    history, judged, timeout_s, expected_ms
):
    told = timed_out(history, 5, 3, took=None).holds("p99_ms < 200").asks_status("b-1", "s-1", "pending", at=29.99)
    if timeout_s:
        told.times_out(timeout_s)
    assert {"p99_ms < 200": (expected_ms, False)} == observed(judged(told))


def test_an_order_that_never_left_waited_for_no_answer(history, judged):
    told = timed_out(history, 5, 0).buys("c-1", "refused", took=9, http=None).holds("max_ms < 200")
    assert {"max_ms < 200": (20, True)} == observed(judged(told))


def test_commits_are_the_busiest_second_of_transaction_ids(history, judged):
    told = history().holds("db_commits_per_s.max <= 60")
    for tick, xids in enumerate([500, 510, 530, 600, 620]):
        told.sample("postgres", "write_xids", xids, tick / 2)
    told.sample("postgres", "write_xids", 0, -5).sample("postgres", "write_xids", 490, -1)
    assert {"db_commits_per_s.max <= 60": (90, False)} == observed(judged(told))


def test_requests_of_all_kinds_from_t0_count(history, judged):
    told = history().holds("requests_per_s.max < 3").buys("b-1").buys("b-2", at=0.99).buys("b-3", at=1.0)
    told.asks_status("b-1", "s-1", "pending", at=0.5)
    for n in range(9):
        told.buys(f"b-{n}", "ok", kind="page", at=-1)
    assert {"requests_per_s.max < 3": (3, False)} == observed(judged(told))


def test_counts_and_the_drain(fair, judged):
    told = fair(stock=3, near_misses=2).holds("sold == 3", "near_misses < 2", "drain_s <= 0.053")
    assert {"sold == 3": (3, True), "near_misses < 2": (2, False), "drain_s <= 0.053": (0.053, True)} == observed(
        judged(told)
    )


def test_a_breach_has_an_exit_code_of_its_own(fair, judged):
    verdict = judged(fair().holds("sold > 3"))
    assert ("VALID", 4) == (verdict.verdict, verdict.exit_code)


def test_a_breach_of_an_invalid_run_stays_invalid(fair, judged):
    assert judged(fair().row("t-1", "b-9").holds("sold > 30")).exit_code == 1


@pytest.mark.parametrize("metric", ["db_commits_per_s.max"])
def test_a_metric_that_cannot_be_computed_makes_the_run_unknown(fair, judged, metric):
    verdict = judged(fair().holds(f"{metric} < 60"))
    assert ("UNKNOWN", 3, None) == (verdict.verdict, verdict.exit_code, verdict.thresholds[0].passed)
    assert f"threshold {metric} < 60: nothing was observed" in verdict.doubts[0].text


def test_every_metric_can_be_computed(fair, judged):
    told = fair().holds(*(f"{metric} >= 0" for metric in METRICS))
    told.sample("postgres", "write_xids", 500, 0).sample("postgres", "write_xids", 503, 1)
    assert {f"{metric} >= 0": True for metric in METRICS} == {
        each.expression: each.passed for each in judged(told).thresholds
    }
