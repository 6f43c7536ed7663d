"""The frames that charts are drawn from, on numbers known beforehand."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import numpy as np
import pytest

from reports.data import Missing, RunData, open_run
from reports.drawing import metrics
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
        found = metrics.rate(data, time, "postgres", "write_xids")
        held = metrics.gauge(data, time, "postgres", "write_xids")
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
        assert metrics.rate(data, time, "postgres", "write_xids").peak == pytest.approx(30)


def test_what_was_for_sale_at_the_opening_counts_though_it_went_at_once(make_run: MakeRun) -> None:
    run = make_run("valid")
    resample(run, "(-0.4, 200), (-0.3, 200), (-0.2, 200), (-0.1, 200), (0, 0), (0.1, 0)")
    with opened(run) as (data, time):
        assert metrics.gauge(data, time, "postgres", "write_xids").peak == 200


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
