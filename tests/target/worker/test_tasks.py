"""The task tries again by itself, then hands the order back; it never gives one up."""

from collections.abc import Callable
from copy import copy

import pytest
from celery.exceptions import Reject

from target.errors import NotSent, Unavailable
from target.stores.claims import Claim
from target.worker import tasks


class Database:
    """Places orders once it has failed as often as it was told."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.placed: list[Claim] = []

    def place(self, claim: Claim) -> None:
        if self.failures:
            raise self.failures.pop()
        self.placed.append(claim)

    def place_all(self, orders: list[Claim]) -> None:
        self.place(orders[0])
        self.placed += orders[1:]


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Database]:
    slept: list[float] = []  # no time passes but what is slept, however slow the machine is

    def made(*failures: Exception) -> Database:
        database = Database(*failures)
        monkeypatch.setattr(tasks, "_orders", lambda: database)
        monkeypatch.setattr(tasks, "sleep", slept.append)
        monkeypatch.setattr(tasks, "monotonic", lambda: sum(slept))
        return database

    return made


def test_an_order_is_placed(database: Callable[..., Database]) -> None:
    placed = database().placed
    tasks.place_order("s-000001", "b-1")
    assert placed == [Claim("s-000001", "b-1", 1)]


def test_a_failure_that_passes_is_sat_out(database: Callable[..., Database]) -> None:
    placed = database(NotSent("away"), Unavailable("unsure")).placed
    tasks.place_order("s-000001", "b-1", 2)
    assert placed == [Claim("s-000001", "b-1", 2)]


def test_a_failure_that_lasts_puts_the_order_back_on_the_queue(database: Callable[..., Database]) -> None:
    placed = database(*[Unavailable("away")] * 10_000).placed
    with pytest.raises(Reject) as caught:
        tasks.place_order("s-000001", "b-1")
    assert caught.value.requeue
    assert placed == []


THREE = [(("s-000001", "b-1"), {}), (["s-000002", "b-2", 2], {}), (("s-000003",), {"buyer": "b-3"})]
CLAIMS = [Claim("s-000001", "b-1"), Claim("s-000002", "b-2", 2), Claim("s-000003", "b-3")]


def test_orders_are_placed_together(database: Callable[..., Database]) -> None:
    placed = database(NotSent("away"), Unavailable("unsure")).placed
    assert tasks.place_together(THREE) == [None] * 3
    assert placed == CLAIMS


def test_a_failure_that_lasts_puts_every_order_of_a_batch_back(database: Callable[..., Database]) -> None:
    placed = database(*[Unavailable("away")] * 10_000).placed
    outcomes = tasks.place_together(THREE)
    assert [(type(each), getattr(each, "requeue", None)) for each in outcomes] == [(Reject, True)] * 3
    assert [getattr(copy(each), "requeue", None) for each in outcomes] == [True] * 3, "as it comes from a child"
    assert placed == []


def test_a_message_that_is_no_order_fails_alone(database: Callable[..., Database]) -> None:
    placed = database().placed
    good, bad, other = tasks.place_together([THREE[0], (("s-000002",), {}), THREE[2]])
    assert (good, other) == (None, None)
    assert "s-000002" in str(bad)
    assert placed == [CLAIMS[0], CLAIMS[2]]


def test_a_failure_nobody_knows_is_met_one_by_one(database: Callable[..., Database]) -> None:
    placed = database(Unavailable("away"), ZeroDivisionError("again"), ZeroDivisionError("a bug")).placed
    first, second, third = tasks.place_together(THREE)
    assert "again" in str(first)
    assert isinstance(second, Reject)
    assert third is None
    assert placed == CLAIMS[2:]
