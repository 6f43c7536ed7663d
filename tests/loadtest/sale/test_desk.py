import json
from pathlib import Path

import pytest

from loadtest.errors import HarnessError
from loadtest.experiment.files import lay_over
from loadtest.experiment.schema import Experiment
from loadtest.manifest.loading import load_shop
from loadtest.sale.desk import FORM, Desk, Held, Offers, State, Wish, offers_of

OFFERS = Offers({"tokens": ["queued"]}, ["flat"], {"stock": 5})


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk.open(tmp_path / "desk", OFFERS)


def test_what_one_side_lays_down_the_other_takes_up(desk: Desk) -> None:
    other = Desk(desk.directory)
    state = State(3, "judged", "/runs/3", held=(Held(3, "/runs/3", "VALID", "all sold", {"stock": 5}),))
    desk.show(state)
    other.ask(Wish(4, {"stock": 7}))
    assert (other.state(), other.offers(), desk.wish()) == (state, OFFERS, Wish(4, {"stock": 7}))


def test_buyers_are_gone_when_it_was_told_of_their_sale_or_a_later_one(desk: Desk) -> None:
    assert not desk.gone(1)
    desk.buyers_gone(1)
    assert [desk.gone(1), desk.gone(2)] == [True, False]


def test_nobody_else_can_read_it(desk: Desk) -> None:
    assert desk.directory.stat().st_mode & 0o777 == 0o700


def test_a_folder_without_a_harness_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=r"no state\.json; start with: loadtest run --web"):
        Desk(tmp_path).state()


def test_another_sale_may_begin_only_when_one_is_over() -> None:
    over = {
        phase: State(1, phase).over for phase in ("idle", "preparing", "herd", "judging", "judged", "refused", "failed")
    }
    assert [phase for phase, yes in over.items() if yes] == ["idle", "judged", "refused", "failed"]


def test_what_is_offered_is_what_the_shop_and_the_experiment_take() -> None:
    experiment = Experiment()
    offers = offers_of(experiment, load_shop(experiment)[0])
    assert offers.schemes["naive"] == ["inline"]
    assert set(offers.values) == set(FORM)
    for kind in offers.limiters:
        assert lay_over(experiment, {"limiter.kind": kind}, "test").limiter.kind == kind
    assert json.loads(json.dumps(offers.values)) == offers.values
    assert offers.asked == list(FORM)


def test_a_form_asks_only_for_what_means_something_to_the_shop() -> None:
    experiment = Experiment(shop="tests/foreign/shop.toml")
    assert offers_of(experiment, load_shop(experiment)[0]).asked == ["stock", "buyers"]
