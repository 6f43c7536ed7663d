"""Asking for a limit: of a run that goes on, and of one that cannot."""

import threading
import time
from pathlib import Path

import pytest

from loadtest.errors import UsageError
from loadtest.experiment.schema import Experiment
from loadtest.manifest.loading import load_shop
from loadtest.manifest.shop import Shop
from loadtest.record.run_dir import RunDir
from loadtest.sale.limits import Change, ask, asking, changes, open_limits


@pytest.fixture
def shop() -> Shop:
    return load_shop(Experiment())[0]


def started(path: Path, experiment: Experiment, shop_toml: str | None = None) -> Path:
    """A run directory as far as it is written before anything starts."""
    path.mkdir(parents=True, exist_ok=True)
    (path / "experiment.toml").write_text(experiment.to_toml(), encoding="utf-8")
    (path / "shop.toml").write_text(
        shop_toml or load_shop(Experiment())[1].read_text(encoding="utf-8"), encoding="utf-8"
    )
    return path


def test_a_run_that_is_over_has_no_limit_to_change(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no sale is in progress there"):
        ask(started(tmp_path, Experiment()), 20)


def test_a_run_without_a_limiter_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the run has no limiter"):
        ask(started(tmp_path, Experiment(limiter={"kind": "none"})), 20)


def test_a_manifest_that_names_no_task_is_told_what_to_set(tmp_path: Path) -> None:
    text = (
        load_shop(Experiment())[1].read_text(encoding="utf-8").replace('task = "target.worker.tasks.place_order"\n', "")
    )
    with pytest.raises(UsageError, match=r"set task in its \[queue\]"):
        ask(started(tmp_path, Experiment(), text), 20)


def test_a_run_that_does_not_answer_is_not_left_with_the_question(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loadtest.sale.limits.TAKEN_S", 0.1)
    asking(tmp_path).parent.mkdir()
    with pytest.raises(UsageError, match="did not answer within"):
        ask(tmp_path, 20)
    assert not asking(tmp_path).exists()


def test_without_a_limiter_nothing_can_be_asked(tmp_path: Path, shop: Shop) -> None:
    with open_limits(RunDir(tmp_path), Experiment(limiter={"kind": "none"}), shop, "redis://none") as limits:
        assert limits is None
        assert not asking(tmp_path).parent.exists()


def test_the_cell_of_a_matrix_that_goes_on_is_found_and_a_broker_that_is_away_ends_no_sale(
    tmp_path: Path, shop: Shop, closed_port: int
) -> None:
    experiment = Experiment(workers={"count": 4})
    run = started(tmp_path / "cells" / "02-flat", experiment)
    started(tmp_path / "cells" / "01-none", experiment)
    stop = threading.Event()
    with open_limits(RunDir(run), experiment, shop, f"redis://127.0.0.1:{closed_port}/0") as limits:
        assert limits is not None

        def hold() -> None:
            while not stop.is_set():
                limits.tick()
                time.sleep(0.01)

        holding = threading.Thread(target=hold)
        holding.start()
        try:
            change = ask(tmp_path, 20.5)
        finally:
            stop.set()
            holding.join()
    assert (change.rate_per_s, change.together_per_s, change.answered) == (20.5, 82.0, 0)
    assert [change] == changes(run)
    assert not asking(run).parent.exists()


@pytest.mark.parametrize("text", ["fast", "inf", "nan", "1e999", "-5", "0", "", "\udcff"])
def test_what_is_no_rate_is_left_alone(tmp_path: Path, shop: Shop, text: str) -> None:
    with open_limits(RunDir(tmp_path), Experiment(), shop, "redis://none") as limits:
        asking(tmp_path).write_bytes(text.encode(errors="surrogateescape"))
        assert limits is not None
        limits.tick()
        assert not asking(tmp_path).exists()
    none: list[Change] = []
    assert none == changes(tmp_path)


@pytest.mark.parametrize("rate", [float("inf"), float("nan"), 0.0, -1.0, 1e300])
def test_what_is_no_rate_cannot_be_asked_for(tmp_path: Path, rate: float) -> None:
    with pytest.raises(UsageError, match=r"^limit .*: expected orders a second, above 0"):
        ask(tmp_path, rate)


def test_what_somebody_else_put_beside_the_limit_ends_no_sale(tmp_path: Path, shop: Shop) -> None:
    with open_limits(RunDir(tmp_path), Experiment(), shop, "redis://none") as limits:
        assert limits is not None
        asking(tmp_path).mkdir()
        (asking(tmp_path) / "nested").touch()
        (asking(tmp_path).parent / "notes.txt").touch()
        limits.tick()
    assert not asking(tmp_path).parent.exists()
