"""Rates: the busiest second, exactly, and how steady it was."""

import duckdb
from hypothesis import example, given, settings
from hypothesis import strategies as st

from loadtest.rates import busiest

SECOND = 1_000_000_000


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 40).map(lambda n: n * SECOND // 8), min_size=1, max_size=40))
@example([0, SECOND - 1, SECOND])
@example([5, 5, 5])
def test_the_busiest_second_is_that_of_trying_each(times):
    expected = max(sum(start <= t < start + SECOND for t in times) for start in times)
    query = busiest(f"SELECT unnest({times}::BIGINT[]) AS t")
    began_ns, n = duckdb.sql(query).fetchall()[0]
    assert expected == n
    assert expected == sum(began_ns <= t < began_ns + SECOND for t in times)


def test_no_times_have_no_busiest_second():
    assert duckdb.sql(busiest("SELECT 1 AS t WHERE false")).fetchall() == []


def test_the_figures_of_a_limited_sale(history, judged):
    told = history(stock=41, limiter_kind="flat", configured_per_s=10.0).backlog(0, 4)
    for n in range(41):
        told.row(f"s-{n}", f"b-{n}", at=n / 10)
    verdict = judged(told)
    assert {"configured_per_s": 10, "steady_per_s": 10, "max_1s": 10, "flatness": 1} == vars(verdict.rate)
    assert verdict.drain_s == 4


def test_without_rows_the_drain_ends_with_the_standstill(history, judged):
    assert 10 == judged(history()).drain_s
    assert None is judged(history().undrained()).drain_s


def test_without_a_limiter_there_is_only_the_busiest_second(fair, judged):
    assert {"configured_per_s": None, "steady_per_s": None, "max_1s": 3, "flatness": None} == vars(judged(fair()).rate)
