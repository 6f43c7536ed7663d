"""Fairness: Kendall's τ and the worst inversion, against counting every pair."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from loadtest.judge.figures.fairness import measure_fairness


def told_in(history, order):
    """`order[i]`: the rank at which the i-th to ask was told."""
    told = history(stock=len(order))
    for asked, win in enumerate(order):
        told.buys(f"b-{asked}", won=f"s-{asked}", at=asked / 1000, took=1 + (win - asked) / 1000)
    return told


def test_in_order_and_reversed(history, judged):
    assert (1, 0) == vars_of(judged(told_in(history, [0, 1, 2, 3])).fairness)
    assert (-1, 3) == vars_of(judged(told_in(history, [3, 2, 1, 0])).fairness)


def test_one_swap_of_three(history, judged):
    assert (1 - 4 / 6, 1) == vars_of(judged(told_in(history, [1, 0, 2])).fairness)


def test_one_winner_has_no_order(history, judged):
    assert (None, None) == vars_of(judged(told_in(history, [0])).fairness)


def vars_of(fairness):
    return (fairness.kendall_tau, fairness.worst_inversion)


@settings(max_examples=15)
@given(st.integers(2, 40).flatmap(lambda n: st.permutations(range(n))))
def test_as_many_inversions_as_counting_finds(history, opened, order):
    pairs = list(itertools.combinations(order, 2))
    tau = sum(1 if a < b else -1 for a, b in pairs) / len(pairs)
    worst = max(asked - win for asked, win in enumerate(order))
    with opened(told_in(history, order)) as tables:
        fairness = measure_fairness(tables)
    assert (round(tau, 9), worst) == (round(fairness.kendall_tau, 9), fairness.worst_inversion)
