"""The crowd as arithmetic: exact shares, drawn from the seed alone."""

import subprocess
import sys
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from loadtest.experiment.schema import Traffic
from loadtest.experiment.traffic import Crowd, Persona

SHARES = st.floats(0, 0.99)
BUYERS = st.integers(1, 500)
SEEDS = st.integers(0, 2**32)


def crowd(traffic: Traffic, buyers: int, seed: int = 1) -> list[Persona]:
    drawn = Crowd(traffic, buyers, seed)
    return [drawn.persona(ordinal) for ordinal in range(buyers)]


@given(SHARES, SHARES, BUYERS, SEEDS)
def test_as_many_buys_are_planned_as_clicks_are_drawn(double: float, scalpers: float, buyers: int, seed: int) -> None:
    traffic = Traffic(double_click=double, scalpers=scalpers)
    clicks = [persona.clicks for persona in crowd(traffic, buyers, seed)]
    assert sum(clicks) == Crowd(traffic, buyers, seed).clicks
    assert clicks.count(2) == round(double * buyers)
    assert set(clicks) <= {1, 2}


@given(SHARES, st.integers(1, 20), BUYERS, SEEDS)
def test_scalpers_are_their_share_and_take_turns(share: float, accounts: int, buyers: int, seed: int) -> None:
    personas = crowd(Traffic(scalpers=share, scalper_accounts=accounts), buyers, seed)
    users = Counter(persona.account for persona in personas if persona.account is not None)
    assert users.total() == round(share * buyers)
    assert len(users) == min(accounts, users.total())
    assert not users or max(users.values()) - min(users.values()) <= 1


def test_plain_traffic_clicks_once_in_accounts_of_its_own() -> None:
    assert crowd(Traffic(), 50) == [Persona(None, 1)] * 50


def test_who_is_what_in_a_small_crowd() -> None:
    personas = crowd(Traffic(double_click=0.5, scalpers=0.5, scalper_accounts=2), 6)
    assert sum(persona.clicks for persona in personas) == 9
    assert [persona.account for persona in personas if persona.account is not None] == [0, 1, 0]


@given(BUYERS, SEEDS)
def test_the_seed_decides(buyers: int, seed: int) -> None:
    traffic = Traffic(double_click=0.5, scalpers=0.5)
    assert crowd(traffic, buyers, seed) == crowd(traffic, buyers, seed)


def test_another_seed_draws_others() -> None:
    traffic = Traffic(double_click=0.5, scalpers=0.5)
    assert len({tuple(crowd(traffic, 100, seed)) for seed in range(20)}) == 20


def test_impatience_and_scalping_have_nothing_to_do_with_each_other() -> None:
    personas = crowd(Traffic(double_click=0.5, scalpers=0.5), 10_000)
    both = sum(persona.clicks == 2 and persona.account is not None for persona in personas)
    assert 2_300 < both < 2_700


def test_buyers_beyond_the_last_start_over() -> None:
    drawn = Crowd(Traffic(double_click=0.5), 10, 1)
    assert [drawn.persona(ordinal) for ordinal in range(10, 20)] == [drawn.persona(ordinal) for ordinal in range(10)]


def test_the_plan_needs_no_locust() -> None:
    code = "import sys, loadtest.experiment.traffic; sys.exit('locust' in sys.modules or 'gevent' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
