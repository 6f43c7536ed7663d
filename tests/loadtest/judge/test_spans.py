"""The busiest second, exactly."""

import duckdb
from hypothesis import example, given, settings
from hypothesis import strategies as st

from loadtest.judge.spans import busiest

SECOND = 1_000_000_000


@settings(max_examples=60)
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
