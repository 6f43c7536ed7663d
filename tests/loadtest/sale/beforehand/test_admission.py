"""Who cannot come is told before anything starts: too few users, no page to look at, no time to log in."""

from pathlib import Path

import pytest

from loadtest.errors import UsageError
from loadtest.experiment.files import load_experiment
from loadtest.sale.beforehand.fleet import Fleet
from loadtest.sale.beforehand.plan import plan
from loadtest.stack.external import Given

SALE = Path(__file__).parents[3] / "foreign" / "members-sale.toml"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            ["buyers=41"],
            "members.csv: expected 41 users, one for each of 41 buyers, found 40; add rows, or set fewer buyers",
        ),
        (["traffic.scalpers=0.5", "traffic.scalper_accounts=2"], "and of 2 scalpers' accounts, found 40"),
        (
            ["traffic.presale_s=1"],
            "traffic.presale_s = 1: there is no page to look at; set warm in [http] of members.toml",
        ),
        (
            ["arrivals.kind=uniform", "arrivals.rate_per_s=300", "arrivals.connections=1"],
            "http.pace_per_s = 200: after T0 buyers come who must begin to log in 292 times a second; raise the pace above that",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_anything_starts(settings: list[str], said: str) -> None:
    with pytest.raises(UsageError) as told:
        plan(load_experiment(str(SALE), settings), Given())
    assert said in str(told.value)


def test_several_processes_need_a_user_for_each_turn_that_they_may_take() -> None:
    with pytest.raises(
        UsageError, match=r"expected 42 users, one for each of 40 buyers \(in 3 processes alike\), found 40"
    ):
        plan(load_experiment(str(SALE)), Given(), Fleet(processes=3))
    planned = plan(load_experiment(str(SALE)), Given(), Fleet(processes=2))
    assert planned.steps_s == 40 / 200
    assert planned.buyers_file == SALE.with_name("members.csv")
