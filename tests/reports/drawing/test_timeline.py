"""The x axis: where it begins and ends, its bins and its marks."""

import json
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pytest

from reports.data import Missing, open_run
from reports.drawing.timeline import timeline

MakeRun = Callable[..., Path]


def test_starts_at_the_gate_and_ends_after_the_last_event(make_run: MakeRun) -> None:
    with open_run(make_run("valid")) as run:
        time = timeline(run)
    assert time.t0_ns == 1_790_000_000_000_000_000
    assert time.drained_s == pytest.approx(4.2)
    assert 5 < time.end_s < 5.5
    assert time.bin_s == 0.1
    assert 0 in np.round(time.edges, 6)


def test_a_herd_much_shorter_than_the_drain_is_magnified(make_run: MakeRun) -> None:
    with open_run(make_run("valid")) as run:
        time = timeline(run)
    assert time.herd_s == pytest.approx(0.3)
    assert time.zoom > 5


def test_without_samples_and_sale_the_first_buyer_opens_it(make_run: MakeRun) -> None:
    run_dir = make_run("valid")
    (run_dir / "samples.parquet").unlink()
    (run_dir / "sale.parquet").unlink()
    with open_run(run_dir) as run:
        assert timeline(run).t0_ns == 1_790_000_000_000_000_000


def test_without_anything_there_is_no_axis(tmp_path: Path) -> None:
    with open_run(tmp_path) as run, pytest.raises(Missing, match=r"history\.parquet is not there"):
        timeline(run)


def test_a_fault_lasts_from_its_observation_to_recovery(make_run: MakeRun) -> None:
    with open_run(make_run("leaky")) as run:
        (fault,) = timeline(run).faults
    assert (fault.name, fault.start_s, fault.end_s) == ("kill worker", pytest.approx(1.05), pytest.approx(2.2))


def test_the_drain_is_the_verdicts_and_nothing_without_one(make_run: MakeRun) -> None:
    run_dir = make_run("valid")
    verdict = run_dir / "verdict.json"
    verdict.write_text(json.dumps(json.loads(verdict.read_text(encoding="utf-8")) | {"drain_s": 3.5}), encoding="utf-8")
    with open_run(run_dir) as run:
        assert timeline(run).drained_s == 3.5
    duckdb.sql(
        f"COPY (SELECT * REPLACE (false AS drained) FROM '{run_dir / 'sale.parquet'}') TO '{run_dir / 'sale.new'}' (FORMAT parquet)"
    )
    (run_dir / "sale.new").replace(run_dir / "sale.parquet")
    with open_run(run_dir) as run:
        assert timeline(run).drained_s is None
