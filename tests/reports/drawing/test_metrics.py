"""The frames that charts are drawn from, on numbers known beforehand."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.data import Missing, RunData, open_run
from reports.drawing import metrics, series
from reports.drawing.timeline import Timeline, timeline
from reports.run.figures.commits import commits as draw_commits

MakeRun = Callable[..., Path]


@contextmanager
def opened(run: Path) -> Iterator[tuple[RunData, Timeline]]:
    with open_run(run) as data:
        yield data, timeline(data)


def resample(run: Path, values: str) -> None:
    """The run's samples, replaced by `values` of (seconds, value) for postgres/write_xids."""
    with open_run(run) as data:
        t0_ns = timeline(data).t0_ns
    duckdb.sql(
        f"COPY (SELECT ({t0_ns} + s * 1e9)::BIGINT AS time_ns, 'postgres' AS probe, 'write_xids' AS metric, "
        f"v::DOUBLE AS value FROM (VALUES {values}) AS t(s, v)) TO '{run / 'samples.parquet'}' (FORMAT parquet)"
    )


def test_the_bins_hold_every_request_and_answer(make_run: MakeRun) -> None:
    with opened(make_run("valid")) as (run, time):
        found = metrics.requests(run, time)
    assert {name: round(per_s.sum() * time.bin_s) for name, per_s in found.answered.items()} == {
        "won": 200, "sold_out": 784, "already_bought": 16,
    }  # fmt: skip
    assert round(found.sent.sum() * time.bin_s) == 1000
    assert found.scheduled.max() == pytest.approx(10_000)


def test_rows_so_far_pass_the_stock_of_an_oversold_sale(make_run: MakeRun) -> None:
    with opened(make_run("oversold")) as (run, time):
        found = metrics.progress(run, time)
    assert (found.stock, round(found.promises[-1]), round(found.rows[-1])) == (200, 200, 226)


def test_the_fullest_second_slides_and_is_not_a_bin(make_run: MakeRun) -> None:
    run = make_run("valid")
    (run / "verdict.json").unlink()
    duckdb.sql(
        "COPY (SELECT 'n' AS number, 'b' AS buyer, (SELECT min(t0_ns) FROM "
        f"'{run / 'sale.parquet'}') + (s * 1e9)::BIGINT AS created_ns FROM (VALUES (0.5), (0.95), (1.05), (1.49), (1.5), "
        f"(3.0)) AS t(s)) TO '{run / 'final/orders.parquet'}' (FORMAT parquet)"
    )
    with opened(run) as (data, time):
        found = metrics.commits(data, time)
    assert found.fullest_1s == 4
    assert found.fullest_s == pytest.approx(1.49)


def test_a_reset_counter_and_a_silent_probe_leave_gaps(make_run: MakeRun) -> None:
    run = make_run("valid")
    resample(run, "(0, 100), (0.1, 110), (0.2, 130), (0.3, 5), (0.4, 15), (0.9, 65), (1.0, 75)")
    with opened(run) as (data, time):
        found = series.rate(data, time, "postgres", "write_xids")
        held = series.gauge(data, time, "postgres", "write_xids")
    assert found.value.tolist() == pytest.approx([100, 200, np.nan, 100, np.nan, 100], nan_ok=True)
    assert np.flatnonzero(np.isnan(held.value)).tolist() == [5]


def test_latency_counts_from_when_the_buyer_was_due(make_run: MakeRun) -> None:
    with opened(make_run("valid")) as (run, time):
        found = {each.outcome: each for each in metrics.latencies(run, time)}
    assert list(found) == ["won", "sold_out", "already_bought"]
    assert found["won"].scheduled_ms[1] > found["won"].raw_ms[1]
    assert found["won"].count == len(found["won"].points_ms) == 200


def test_a_scatter_is_thinned_alike_each_time_and_keeps_the_slowest(make_run: MakeRun) -> None:
    run = make_run("valid", stock=10, buyers=20_000)
    points = []
    for _ in range(2):
        with opened(run) as (data, time):
            found = {each.outcome: each for each in metrics.latencies(data, time)}["sold_out"]
        points.append(found.points_ms.tolist())
    assert points[0] == points[1]
    assert metrics.POINTS / 2 < len(points[0]) < metrics.POINTS * 2
    assert max(points[0]) == pytest.approx(found.scheduled_ms[3])


def test_without_its_table_a_frame_is_missing(make_run: MakeRun) -> None:
    run = make_run("valid")
    (run / "history.parquet").unlink()
    with opened(run) as (data, time), pytest.raises(Missing, match=r"history\.parquet is not there"):
        metrics.requests(data, time)


def test_a_peak_before_the_sale_is_not_the_sales(make_run: MakeRun) -> None:
    run = make_run("valid")
    resample(run, "(-0.4, 0), (-0.3, 500), (-0.2, 501), (-0.1, 501), (0, 501), (0.1, 502), (0.2, 505)")
    with opened(run) as (data, time):
        assert series.rate(data, time, "postgres", "write_xids").peak == pytest.approx(30)


def test_what_was_for_sale_at_the_opening_counts_though_it_went_at_once(make_run: MakeRun) -> None:
    run = make_run("valid")
    resample(run, "(-0.4, 200), (-0.3, 200), (-0.2, 200), (-0.1, 200), (0, 0), (0.1, 0)")
    with opened(run) as (data, time):
        assert series.gauge(data, time, "postgres", "write_xids").peak == 200


def test_a_limit_that_was_changed_is_drawn_as_it_held(make_run: MakeRun) -> None:
    run = make_run("valid")
    with opened(run) as (data, time):
        t0_ns, before = time.t0_ns, metrics.commits(data, time)
    change = '{{"time_ns": {}, "rate_per_s": 20.0, "together_per_s": 20.0, "answered": {}}}\n'
    (run / "limits.jsonl").write_text(
        change.format(t0_ns + 2 * 10**9, 1) + change.format(t0_ns, 0) + "half a li", encoding="utf-8"
    )
    with opened(run) as (data, time):
        found = metrics.commits(data, time)
        chart = draw_commits(data)
    assert before.changed == ()
    assert found.changed == ((2.0, 20.0),)
    assert found.limits == (before.configured_per_s, 20.0)
    assert "then 20/s" in chart.caption


def test_open_arrivals_are_drawn_as_planned(make_run: MakeRun) -> None:
    run = make_run("valid")
    (run / "arrivals.csv").write_text("time_s,clicks\n0.05,1\n0.15,2\n0.16,1\n", encoding="utf-8")
    duckdb.sql(
        f"CREATE OR REPLACE TEMP TABLE changed AS SELECT * REPLACE (CASE WHEN op_id % 100 = 7 AND kind = 'buy' THEN 'retry' ELSE kind END AS kind) "
        f"FROM '{run / 'history.parquet'}'; COPY changed TO '{run / 'history.parquet'}' (FORMAT parquet)"
    )
    with opened(run) as (data, time):
        found = metrics.requests(data, time)
        ((retries,),) = data.rows("SELECT count(*) FROM ops WHERE kind = 'retry'")
    first = int(np.searchsorted(time.edges, -1e-9))
    assert retries > 0
    assert found.scheduled[first + 1] * time.bin_s == 3
    assert round(found.scheduled.sum() * time.bin_s) == 4 + retries
    assert round(found.sent.sum() * time.bin_s) == 1000, "a retry is a request like another"


def lasting(run: Path, seconds: int, counted: str, read: str = "0") -> None:
    """Make `run` last so long: a counter and a gauge of ten readings a second, as SQL of the second `s` and the reading `i`."""
    with open_run(run) as data:
        t0_ns = timeline(data).t0_ns
    duckdb.sql(f"""
        COPY (
            WITH read AS (SELECT i, i / 10 AS s FROM range({seconds * 10 + 1}) AS t(i))
            SELECT ({t0_ns} + i * 100000000)::BIGINT AS time_ns, 'postgres' AS probe, 'write_xids' AS metric, ({counted})::DOUBLE AS value FROM read
            UNION ALL SELECT ({t0_ns} + i * 100000000)::BIGINT, 'postgres', 'active', ({read})::DOUBLE FROM read
        ) TO '{run / "samples.parquet"}' (FORMAT parquet)""")
    duckdb.sql(f"""
        COPY (SELECT 'n' || i AS number, 'b' || i AS buyer, ({t0_ns} + at_s * 1e9)::BIGINT AS created_ns FROM (
            SELECT i, i / 10 AS at_s FROM range({seconds * 10}) AS t(i)
            UNION ALL SELECT 1000000 + i, {seconds // 2} + 0.25 + i / 100 FROM range(56) AS t(i)))
        TO '{run / "final/orders.parquet"}' (FORMAT parquet)""")


@pytest.mark.parametrize("seconds", [30, 600, 3600, 20_000])
def test_the_busiest_second_is_drawn_however_long_the_run(make_run: MakeRun, seconds: int) -> None:
    """Ten commits a second, but 66 in one in the middle; two backends, but nine and none in one reading each."""
    run, middle = make_run("valid"), seconds // 2
    lasting(
        run, seconds, f"i + 56 * least(1, greatest(0, s - {middle} - 0.2))",
        f"CASE i WHEN {middle * 10 + 7} THEN 9 WHEN {middle * 10 + 93} THEN 0 ELSE 2 END",
    )  # fmt: skip
    with opened(run) as (data, time):
        commits = metrics.commits(data, time)
        active = series.gauge(data, time, "postgres", "active")
    assert time.bin_s > 1 or seconds < 1200
    assert commits.transactions.peak == pytest.approx(66, abs=0.5)
    assert np.nanmin(commits.transactions.value) == pytest.approx(10, abs=0.5)
    if seconds > 600:  # in shorter runs bins are shorter than a second, and may hold more a second than any second
        assert commits.rows.max() > 33
        assert np.nanmax(commits.rows_1s) == 66
    assert (np.nanmin(active.value), np.nanmax(active.value)) == (0, 9)
    assert max(len(active.value), len(commits.transactions.value)) <= series.DRAWN * 1.5 + 1


def test_a_long_runs_pauses_and_resets_stay_gaps(make_run: MakeRun) -> None:
    run = make_run("valid")
    lasting(run, 1000, "CASE WHEN s < 500 THEN i WHEN s < 700 THEN i - 5000 ELSE i + 100 END")
    duckdb.sql(
        f"CREATE OR REPLACE TEMP TABLE kept AS FROM '{run / 'samples.parquet'}' WHERE (time_ns - (SELECT min(time_ns) FROM '{run / 'samples.parquet'}')) "
        f"NOT BETWEEN 300000000000 AND 330000000000; COPY kept TO '{run / 'samples.parquet'}' (FORMAT parquet)"
    )
    with opened(run) as (data, time):
        found = series.rate(data, time, "postgres", "write_xids")
        held = series.gauge(data, time, "postgres", "write_xids")
    holes = found.time_s[np.isnan(found.value)]
    assert [bool(((holes > at - 2) & (holes < at + 32)).any()) for at in (300, 500, 400, 600, 800)] == [
        True,
        True,
        False,
        False,
        False,
    ]
    assert ((held.time_s > 300) & (held.time_s < 330) & np.isnan(held.value)).any()


@given(st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), min_size=2, max_size=4000), st.integers(2, 40))
def test_what_is_thinned_keeps_its_extremes_its_order_and_its_gaps(values: list[float], stretches: int) -> None:
    value = np.array(values * (1 + 2000 // len(values)))
    time_s = np.cumsum(np.random.default_rng(stretches).random(len(value)))
    at, kept = series.thinned(time_s, value)
    assert len(at) <= max(series.DRAWN * 1.5 + 3, series.DRAWN)
    assert np.all(np.diff(at) > 0)
    assert np.isnan(kept).any() == np.isnan(value).any()
    if np.isfinite(value).any():
        assert (np.nanmin(kept), np.nanmax(kept)) == (np.nanmin(value), np.nanmax(value))
    assert set(zip(at, np.nan_to_num(kept, nan=7e7), strict=True)) <= set(
        zip(time_s, np.nan_to_num(value, nan=7e7), strict=True)
    )
