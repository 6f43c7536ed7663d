"""What batches need of limiter and prefetch, in figures one can check by hand."""

from typing import Any

import pytest

from loadtest.errors import UsageError
from loadtest.experiment.files import lay_over
from loadtest.experiment.redelivery import Held
from loadtest.experiment.schema import Experiment
from loadtest.manifest.loading import load_shop
from loadtest.manifest.shop import Shop
from loadtest.sale.beforehand.batch import check_batch


@pytest.fixture
def shop() -> Shop:
    return load_shop(Experiment())[0]


def experiment(**keys: Any) -> Experiment:
    """Batches of 10 at 50/s, but for `keys`, in which __ stands for a dot."""
    told = {"stock": 5000, "workers.batch": 10}
    return lay_over(Experiment(), told | {key.replace("__", "."): value for key, value in keys.items()}, "test")


def test_by_default_the_burst_holds_a_batch_and_a_child_has_one(shop: Shop) -> None:
    told = experiment()
    check_batch(told, shop)
    assert (told.burst, told.prefetch) == (2 + 10 - 1, 10)
    assert Held.by(told).orders == 2 * 10
    assert (Experiment().burst, Experiment().prefetch) == (2, 1)


def test_what_is_told_is_taken(shop: Shop) -> None:
    told = experiment(limiter__burst=10, workers__prefetch=30)
    check_batch(told, shop)
    assert (told.burst, told.prefetch) == (10, 30)
    check_batch(experiment(limiter__kind="none", limiter__burst=1), shop)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"dispatch": "inline"}, "with dispatch = 'inline' each row is written in its request, and none waits for another"),
        ({"limiter__kind": "native"}, "Celery's own limiter lets orders go one by one"),
        ({"limiter__burst": 9}, "so many orders come at once, above limiter.burst = 9; raise that to 10, or leave it away"),
        ({"limiter__kind": "shared", "limiter__burst": 10}, "above limiter.burst = 10; raise that to 11"),
        ({"workers__prefetch": 9}, "no batch is ever full with workers.prefetch = 9; raise that to 10, or leave it away"),
    ],
)  # fmt: skip
def test_where_there_is_no_room_for_a_batch_it_is_refused(keys: dict[str, Any], said: str, shop: Shop) -> None:
    with pytest.raises(UsageError, match=r"^workers\.batch = 10: ") as caught:
        check_batch(experiment(**keys), shop)
    assert said in str(caught.value)


def test_a_shop_that_is_not_told_has_none(shop: Shop) -> None:
    deaf = shop.model_copy(update={"env": {key: value for key, value in shop.env.items() if key != "SHOP_BATCH"}})
    with pytest.raises(UsageError, match=r"put \{workers\.batch\} into its \[env\]"):
        check_batch(experiment(), deaf)
