"""Statistics are Locust's own, figure for figure."""

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from locust import stats as locusts
from locust.stats import RequestStats

from loadtest.load import statistics
from loadtest.load.statistics import quicken

REQUESTS = st.lists(
    st.tuples(
        st.sampled_from(["/sales/{sale}", "/orders"]),
        st.one_of(st.none(), st.integers(0, 100_000), st.floats(0, 100_000)),
        st.integers(0, 5_000),
        st.floats(0, 3),
    ),
    max_size=60,
)


def figures(stats: RequestStats) -> list[dict[str, Any]]:
    entries = [stats.total, *(entry for _, entry in sorted(stats.entries.items()))]
    ignored = {"stats", "start_time"}
    return [{name: value for name, value in vars(entry).items() if name not in ignored} for entry in entries]


@pytest.mark.parametrize("cached", [True, False])
@given(requests=REQUESTS)
def test_each_figure_is_what_locust_would_have(cached: bool, requests: list[tuple[str, Any, int, float]]) -> None:
    locust, quick = RequestStats(cached), RequestStats(cached)
    quicken(quick)
    now = [1_000_000.0]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(locusts, "time", SimpleNamespace(time=lambda: now[0]))
        patched.setattr(statistics, "time", lambda: now[0])
        for name, response_time, length, passed_s in requests:
            now[0] += passed_s
            for stats in (locust, quick):
                stats.log_request("POST", name, response_time, length)
        assert figures(quick) == figures(locust)
        locust.clear_all()
        quick.clear_all()
        quick.log_request("GET", "/", 1, 1)
        locust.log_request("GET", "/", 1, 1)
        assert figures(quick) == figures(locust)


def test_a_users_own_buckets_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locusts, "bucket_response_time", lambda _: 7)
    stats = RequestStats()
    quicken(stats)
    stats.log_request("GET", "/", 123, 0)
    assert dict(stats.total.response_times) == {7: 1}
