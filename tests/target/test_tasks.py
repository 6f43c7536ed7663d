"""The task tries again by itself, then hands the order back; it never gives one up."""

from collections.abc import Callable

import pytest
from celery.exceptions import Reject

from target import tasks
from target.claims import Claim
from target.errors import NotSent, ShopError, Unavailable


class Database:
    """Places orders once it has failed as often as it was told."""

    def __init__(self, *failures: ShopError) -> None:
        self.failures = list(failures)
        self.placed: list[Claim] = []

    def place(self, claim: Claim) -> None:
        if self.failures:
            raise self.failures.pop()
        self.placed.append(claim)


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Database]:
    def made(*failures: ShopError) -> Database:
        database = Database(*failures)
        monkeypatch.setattr(tasks, "_orders", lambda: database)
        monkeypatch.setattr(tasks, "PAUSE_S", 0.001)
        monkeypatch.setattr(tasks, "PATIENCE_S", 0.05)
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
