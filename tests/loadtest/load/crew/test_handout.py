from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from loadtest.errors import HarnessError
from loadtest.load.crew import handout
from loadtest.load.crew.handout import Place, hand_out, take
from loadtest.load.options import Setup, read_setup

HOST = "http://127.0.0.1:8000"


@pytest.fixture
def setup(tmp_path: Path, root: Path) -> Setup:
    (tmp_path / "experiment.toml").write_text(
        'buyers = 7\nper_buyer = 2\nthresholds = ["lost <= 0"]\n[[faults]]\nkind = "kill"\n', encoding="utf-8"
    )
    (tmp_path / "shop.toml").write_text((root / "target/shop.toml").read_text(encoding="utf-8"), encoding="utf-8")
    return read_setup(options(run_dir=str(tmp_path)), HOST)


def options(**given: str) -> Any:
    return SimpleNamespace(
        **{"run_dir": "", "shop": "", "sale": "night", "shop_ca": "", "shop_insecure": False} | given
    )


def test_a_worker_has_what_the_master_has(setup: Setup) -> None:
    taken, place = take(hand_out(setup, Place(1, 2)), options(), HOST)
    assert taken == setup
    assert place == Place(1, 2)
    assert (taken.experiment.buyers, taken.sale) == (7, "night")


def test_a_plan_that_takes_a_file_comes_along(setup: Setup) -> None:
    assert hand_out(setup, Place(0, 1))["offsets_ns"] is None
    assert hand_out(setup, Place(0, 1), (0, 5))["offsets_ns"] == [0, 5]


def test_only_plain_values_are_sent(setup: Setup) -> None:
    def plain(value: Any) -> bool:
        if isinstance(value, dict):
            return all(plain(inner) for inner in value.values())
        return all(map(plain, value)) if isinstance(value, list) else isinstance(value, str | int | None)

    assert plain(hand_out(setup, Place(0, 1)))


def test_a_directory_of_the_same_name_elsewhere_is_not_the_masters(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = hand_out(setup, Place(0, 1))
    monkeypatch.setattr(handout, "machine", lambda: "another")
    assert take(message, options(), HOST)[0].run_dir is None


def test_nor_is_one_that_took_its_place(setup: Setup) -> None:
    message = hand_out(setup, Place(0, 1))
    assert setup.run_dir is not None
    setup.run_dir.rename(setup.run_dir.with_name("moved"))
    assert take(message, options(), HOST)[0].run_dir is None


def test_without_a_run_directory_nothing_is_recorded(setup: Setup) -> None:
    bare = Setup(setup.experiment, setup.shop, setup.sale, setup.where, None, setup.manifest)
    assert take(hand_out(bare, Place(0, 1)), options(), HOST)[0].run_dir is None


def test_who_was_handed_nothing_says_so() -> None:
    with pytest.raises(HarnessError, match="start every worker before the sale"):
        take(None, options(), HOST)
