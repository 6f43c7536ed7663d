from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from loadtest.errors import HarnessError
from loadtest.load.crew import handout
from loadtest.load.crew.handout import Place, hand_out, take, take_roster
from loadtest.load.options import Setup, read_setup
from loadtest.manifest.accounts import Buyers
from loadtest.talk.roster import Roster, read_roster

HOST = "http://127.0.0.1:8000"
NAMED = Roster(Buyers(), 7)


@pytest.fixture
def setup(tmp_path: Path, root: Path) -> Setup:
    (tmp_path / "experiment.toml").write_text(
        'buyers = 7\nper_buyer = 2\nthresholds = ["lost <= 0"]\n[[faults]]\nkind = "kill"\n', encoding="utf-8"
    )
    (tmp_path / "shop.toml").write_text((root / "target/shop.toml").read_text(encoding="utf-8"), encoding="utf-8")
    return read_setup(options(run_dir=str(tmp_path)), HOST)


def options(**given: str) -> Any:
    return SimpleNamespace(
        **{"run_dir": "", "shop": "", "sale": "night", "shop_ca": "", "shop_insecure": False, "buyers_file": ""} | given
    )


def test_a_worker_has_what_the_master_has(setup: Setup) -> None:
    taken, place = take(hand_out(setup, Place(1, 2), NAMED), options(), HOST)
    assert taken == setup
    assert place == Place(1, 2)
    assert (taken.experiment.buyers, taken.sale) == (7, "night")


def test_a_plan_that_takes_a_file_comes_along(setup: Setup) -> None:
    assert hand_out(setup, Place(0, 1), NAMED)["offsets_ns"] is None
    assert hand_out(setup, Place(0, 1), NAMED, (0, 5))["offsets_ns"] == [0, 5]


def test_only_plain_values_are_sent(setup: Setup) -> None:
    def plain(value: Any) -> bool:
        if isinstance(value, dict):
            return all(plain(inner) for inner in value.values())
        return all(map(plain, value)) if isinstance(value, list) else isinstance(value, str | int | None)

    assert plain(hand_out(setup, Place(0, 1), NAMED))


def test_a_directory_of_the_same_name_elsewhere_is_not_the_masters(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = hand_out(setup, Place(0, 1), NAMED)
    monkeypatch.setattr(handout, "machine", lambda: "another")
    assert take(message, options(), HOST)[0].run_dir is None


def test_nor_is_one_that_took_its_place(setup: Setup) -> None:
    message = hand_out(setup, Place(0, 1), NAMED)
    assert setup.run_dir is not None
    setup.run_dir.rename(setup.run_dir.with_name("moved"))
    assert take(message, options(), HOST)[0].run_dir is None


def test_without_a_run_directory_nothing_is_recorded(setup: Setup) -> None:
    bare = Setup(setup.experiment, setup.shop, setup.sale, setup.where, None, setup.manifest)
    assert take(hand_out(bare, Place(0, 1), NAMED), options(), HOST)[0].run_dir is None


def test_who_was_handed_nothing_says_so() -> None:
    with pytest.raises(HarnessError, match="start every worker before the sale"):
        take(None, options(), HOST)


def test_each_worker_is_dealt_its_share_of_the_users_and_the_scalpers_accounts(setup: Setup, tmp_path: Path) -> None:
    users = tmp_path / "users.csv"
    users.write_text("name,n\n" + "".join(f"u{n},{n}\n" for n in range(1, 12)), encoding="utf-8")
    buyers = Buyers(file="users.csv", integers=("n",))
    shop = setup.shop.model_copy(update={"buyers": buyers})
    traffic = setup.experiment.traffic.model_copy(update={"scalpers": 0.5, "scalper_accounts": 2})
    experiment = setup.experiment.model_copy(update={"traffic": traffic})
    dealt = replace(setup, shop=shop, experiment=experiment)
    roster = read_roster(buyers, users, experiment, 2)
    for process in (0, 1):
        place = Place(process, 2)
        theirs = take_roster(hand_out(dealt, place, roster), dealt, place)
        assert theirs.rows is not None
        assert len(theirs.rows) == 4 + 2
        for ordinal in range(process, 8, 2):
            assert theirs.buyer(ordinal) == roster.buyer(ordinal)
            assert (theirs.buyer(ordinal) or {})["buyer"] == f"u{ordinal + 1}"
        assert [theirs.account(n) for n in (0, 1)] == [roster.account(n) for n in (0, 1)]
        assert theirs.account(1) == {"buyer": "u10", "buyer.name": "u10", "buyer.n": 10}
        assert theirs.buyer(8 + process) is None
