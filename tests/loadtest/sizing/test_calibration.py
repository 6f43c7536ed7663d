"""What a run directory tells, on a sale that is small enough to count."""

from pathlib import Path

import pytest

from loadtest.errors import UsageError
from loadtest.sizing.calibration import calibrate


def test_every_figure_is_read_off_the_run(sale, written, tmp_path: Path) -> None:
    found = calibrate(written(sale, tmp_path))
    assert found.first_row_s == pytest.approx(0.2)
    assert found.wins_per_s == pytest.approx(200 / 0.5)
    assert found.answers_per_s == pytest.approx(
        (300 + 159) / 0.4, rel=0.01
    )  # the winners who were told before the last loser, too
    assert found.effective == pytest.approx(1, abs=0.02)
    assert found.overshoot == 0
    assert (found.worker_per_s, found.at_once, found.saturated) == (pytest.approx(50, rel=0.02), 2, False)
    assert found.rows_per_s == found.worker_per_s
    assert found.order_cpu_s == pytest.approx(0.002, rel=0.02)
    assert found.machine_cpu_s == pytest.approx(0.003, rel=0.02)
    assert found.message_bytes == pytest.approx(900, rel=0.02)
    assert set(found.took.values()) == {"/".join((tmp_path / "run").parts[-2:])}


def test_without_a_limiter_the_workers_gave_what_they_could(sale, written, tmp_path: Path) -> None:
    sale.with_sale(limiter_kind="none", configured_per_s=None)
    found = calibrate(written(sale, tmp_path, '[limiter]\nkind = "none"\n[workers]\ncount = 2\nconcurrency = 3\n'))
    assert (found.saturated, found.at_once, found.effective, found.overshoot) == (True, 3, None, None)
    assert (found.worker_per_s, found.rows_per_s) == (pytest.approx(25, rel=0.02), pytest.approx(50, rel=0.02))


def test_a_limit_that_was_not_reached_is_what_the_workers_could(sale, written, tmp_path: Path) -> None:
    found = calibrate(written(sale.with_sale(configured_per_s=80.0), tmp_path))
    assert (found.saturated, found.effective, found.overshoot) == (True, None, None)
    assert found.worker_per_s == pytest.approx(50, rel=0.02)


def test_of_a_queue_in_rabbitmq_the_memory_of_redis_tells_nothing(sale, written, tmp_path: Path) -> None:
    found = calibrate(written(sale, tmp_path, '[broker]\nkind = "rabbitmq"\n'))
    assert (found.broker, found.message_bytes) == ("rabbitmq", None)


def test_what_disturbed_the_run_is_said(sale, written, tmp_path: Path) -> None:
    sale.limit(50, at=1)
    run = written(
        sale,
        tmp_path,
        '[arrivals]\nkind = "poisson"\nrate_per_s = 9\n[workers]\nbatch = 5\n[[faults]]\nkind = "kill"\n',
    )
    (run / "verdict.json").write_text(
        '{"verdict": "INVALID", "sentence": "3 lost", "load": {"generator_cpu": 0.97}}', encoding="utf-8"
    )
    told = " ".join(calibrate(run).doubts)
    for part in (
        "had faults",
        "did not come all at once",
        "in batches of up to 5",
        "the limit was changed",
        "INVALID: 3 lost",
        "used a whole core",
    ):
        assert part in told


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda run: (run / "experiment.toml").unlink(), "expected a run directory"),
        (lambda run: (run / "matrix.json").write_text("{}", encoding="utf-8"), "is a matrix of runs; give one of them"),
        (
            lambda run: (run / "experiment.toml").write_text('dispatch = "inline"\n', encoding="utf-8"),
            "nothing was queued",
        ),
        (
            lambda run: (run / "experiment.toml").write_text('[limiter]\nkind = "native"\n', encoding="utf-8"),
            "'native' collapses",
        ),
        (lambda run: (run / "final" / "orders.parquet").unlink(), "final/orders.parquet is not there"),
        (lambda run: (run / "history.parquet").unlink(), "judge it first: loadtest verify"),
    ],
)
def test_a_run_that_tells_nothing_is_refused(sale, written, tmp_path: Path, change, said: str) -> None:
    run = written(sale, tmp_path)
    change(run)
    with pytest.raises(UsageError, match=said):
        calibrate(run)


def test_a_sale_without_losers_or_rows_is_refused(history, written, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no rows to learn from"):
        calibrate(written(history(2).buys("b-1", won="s-1").buys("b-2"), tmp_path / "a"))
    told = history(2).sells("b-1", "s-1", at=0.1).sells("b-2", "s-2", at=0.2)
    with pytest.raises(UsageError, match="more buyers than stock"):
        calibrate(written(told, tmp_path / "b"))
