"""Placing an order: at most one row, and its claim ended as the database decided."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import Any

import pytest
import redis
import sqlalchemy as sa

from target.config import Config
from target.errors import NotSent, Unavailable
from target.stores import claims
from target.stores.claims import Claim, Keys
from target.stores.orders import Orders, UnguardedOrders

Prepare = Callable[[Config], Config]


@pytest.fixture
def keys(config: Config) -> Keys:
    return Keys.of(config.sale)


@pytest.fixture
def orders(config: Config, prepare: Prepare) -> Iterator[Orders]:
    opened = Orders(prepare(config), 8)
    yield opened
    opened.close()


def claim(store: redis.Redis, config: Config, unit: int, buyer: str) -> Claim:
    """A claim, as the claim script leaves it."""
    store.hset(Keys.of(config.sale).claims, config.number(unit), buyer)
    return Claim(config.number(unit), buyer)


def test_an_order_is_placed_and_its_claim_ended(
    orders: Orders, config: Config, store: redis.Redis, keys: Keys, rows: Any
) -> None:
    order = claim(store, config, 1, "b-1")
    assert orders.place(order) == "placed"
    assert rows.all() == [(order.number, "b-1")]
    assert store.hgetall(keys.claims) == {}
    assert store.hgetall(keys.confirmed) == {order.number: "b-1"}
    assert store.get(keys.near_misses) is None


def test_a_redelivered_order_is_one_row_and_a_near_miss(
    orders: Orders, config: Config, store: redis.Redis, keys: Keys, rows: Any
) -> None:
    order = claim(store, config, 1, "b-1")
    assert [orders.place(order), orders.place(order)] == ["placed", "redelivered"]
    assert rows.all() == [(order.number, "b-1")]
    assert store.get(keys.near_misses) == "1"
    assert store.hgetall(keys.rejected) == {}


def test_a_number_that_is_sold_already_is_rejected(
    orders: Orders, config: Config, store: redis.Redis, keys: Keys, rows: Any
) -> None:
    orders.place(claim(store, config, 1, "b-1"))
    late = claim(store, config, 1, "b-2")
    assert orders.place(late) == "rejected"
    assert rows.all() == [(late.number, "b-1")]
    assert store.hgetall(keys.rejected) == {late.number: "b-2"}
    assert store.hgetall(keys.claims) == {}
    assert store.hgetall(keys.confirmed) == {late.number: "b-1"}
    assert store.get(keys.near_misses) == "1"


def test_rejecting_one_buyer_leaves_the_claim_of_another(
    orders: Orders, config: Config, store: redis.Redis, keys: Keys
) -> None:
    orders.place(claim(store, config, 1, "b-1"))
    claim(store, config, 1, "b-3")
    orders.place(Claim(config.number(1), "b-2"))
    assert store.hgetall(keys.claims) == {config.number(1): "b-3"}


@pytest.mark.parametrize("number", ["{sale}-000021", "other-000001", "nonsense"])
def test_a_number_that_is_not_for_sale_is_rejected(
    orders: Orders, config: Config, store: redis.Redis, keys: Keys, number: str, rows: Any
) -> None:
    order = Claim(number.format(sale=config.sale), "b-1")
    assert orders.place(order) == "rejected"
    assert rows.all() == []
    assert store.hgetall(keys.rejected) == {order.number: "b-1"}
    assert store.get(keys.near_misses) == "1"


def test_a_second_number_for_a_buyer_is_rejected(orders: Orders, config: Config, store: redis.Redis, rows: Any) -> None:
    orders.place(claim(store, config, 1, "b-1"))
    assert orders.place(claim(store, config, 2, "b-1")) == "rejected"
    assert len(rows.all()) == 1


def test_one_claim_placed_by_many_at_once_is_one_row(
    orders: Orders, config: Config, store: redis.Redis, keys: Keys, rows: Any
) -> None:
    order, start = claim(store, config, 1, "b-1"), Barrier(8)

    def place(_: int) -> str:
        start.wait()
        return orders.place(order)

    with ThreadPoolExecutor(8) as threads:
        assert sorted(threads.map(place, range(8))) == ["placed"] + ["redelivered"] * 7
    assert len(rows.all()) == 1
    assert store.get(keys.near_misses) == "7"


def test_without_a_database_nothing_is_sent(config: Config, closed_port: int) -> None:
    orders = Orders(replace(config, database_url=f"postgresql://x@127.0.0.1:{closed_port}/x"), 1)
    with pytest.raises(NotSent, match="no connection to the database"):
        orders.place(Claim(config.number(1), "b-1"))


def test_a_sale_that_is_not_there_rejects_nobody(config: Config, prepare: Prepare) -> None:
    prepare(config)
    with pytest.raises(Unavailable, match="python -m target prepare"):
        Orders(replace(config, sale="elsewhere"), 1).place(Claim("elsewhere-000001", "b-1"))


def test_nobody_is_confirmed_while_redis_is_away_and_the_row_stands(
    config: Config, prepare: Prepare, closed_port: int, rows: Any
) -> None:
    prepare(config)
    orders = Orders(replace(config, redis_url=f"redis://127.0.0.1:{closed_port}/0"), 1)
    with pytest.raises(Unavailable, match="did not end the claim"):
        orders.place(Claim(config.number(1), "b-1"))
    assert len(rows.all()) == 1
    assert Orders(config, 1).place(Claim(config.number(1), "b-1")) == "redelivered"


def test_settling_survives_a_redis_that_forgot_the_script(
    config: Config, store: redis.Redis, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "SETTLE", claims.Script(f"{claims.SETTLE.source}-- {config.sale}"))
    claims.settle(store, keys, Claim("n", "b"), "placed")
    assert store.hgetall(keys.confirmed) == {"n": "b"}


@pytest.fixture
def state(rows: Any, store: redis.Redis, keys: Keys) -> Callable[[], tuple[object, ...]]:
    """All that orders leave behind."""
    hashes = (keys.claims, keys.confirmed, keys.rejected)
    return lambda: (rows.all(), *[store.hgetall(key) for key in hashes], store.get(keys.near_misses))


MIXED = [(1, "b-1"), (2, "b-2"), (9, "late"), (3, "b-3"), (2, "b-2"), (8, "b-8"), (4, "b-8"), (5, "b-5")]


def test_a_batch_leaves_what_one_by_one_leaves(
    config: Config, prepare: Prepare, store: redis.Redis, state: Callable[[], tuple[object, ...]]
) -> None:
    def mixed(place: Callable[[Orders, list[Claim]], list[str]]) -> tuple[object, ...]:
        """Orders that are new, redelivered, twice in it, and of a buyer and a number that have something already."""
        orders = Orders(prepare(config), 1)
        for unit, buyer in ((8, "b-8"), (9, "b-9")):
            orders.place(claim(store, config, unit, buyer))
        said = place(orders, [claim(store, config, unit, buyer) for unit, buyer in MIXED])
        orders.close()
        return (said, *state())

    together = mixed(lambda orders, batch: list(orders.place_all(batch)))
    assert together == mixed(lambda orders, batch: [orders.place(each) for each in batch])
    assert together[0] == ["placed", "placed", "rejected", "placed", "redelivered", "redelivered", "rejected", "placed"]
    assert together[2:] == (
        {}, {config.number(n): f"b-{n}" for n in (1, 2, 3, 5, 8, 9)}, {config.number(9): "late", config.number(4): "b-8"}, "4",
    )  # fmt: skip


def test_a_batch_is_one_commit(
    orders: Orders, config: Config, store: redis.Redis, engine: sa.Engine, rows: Any
) -> None:
    assert orders.place_all([claim(store, config, n, f"b-{n}") for n in range(1, 11)]) == ["placed"] * 10
    query = "SELECT count(*), count(DISTINCT xmin::text) FROM orders WHERE sale = :sale"
    with engine.connect() as connection:
        assert connection.execute(sa.text(query), {"sale": config.sale}).one() == (10, 1)


@pytest.mark.parametrize("bad", ["{sale}-000021", "{sale}-99999999", "other-000001", "nonsense", "{sale}-000002\x01"])
def test_a_bad_order_takes_no_other_of_its_batch_along(
    orders: Orders, config: Config, store: redis.Redis, bad: str, state: Callable[[], tuple[object, ...]]
) -> None:
    poison = Claim(bad.format(sale=config.sale), "b-x")
    batch = [claim(store, config, 1, "b-1"), poison, claim(store, config, 3, "b-3")]
    assert orders.place_all(batch) == ["placed", "rejected", "placed"]
    good = {config.number(1): "b-1", config.number(3): "b-3"}
    assert state() == (sorted(good.items()), {}, good, {poison.number: "b-x"}, "1")


def test_a_batch_is_written_in_the_order_of_its_numbers_so_that_two_do_not_lock_each_other_out(
    orders: Orders, config: Config, store: redis.Redis, engine: sa.Engine
) -> None:
    orders.place_all([claim(store, config, n, f"b-{n}") for n in (7, 3, 9, 1, 5)])
    query = "SELECT number FROM orders WHERE sale = :sale ORDER BY created_at"
    with engine.connect() as connection:
        written = list(connection.scalars(sa.text(query), {"sale": config.sale}))
    assert written == [config.number(n) for n in (1, 3, 5, 7, 9)]


def test_one_batch_placed_by_many_at_once_is_one_row_for_each_order(
    orders: Orders, config: Config, store: redis.Redis, rows: Any
) -> None:
    batch = [claim(store, config, n, f"b-{n}") for n in range(1, 21)]
    start = Barrier(8)

    def place(_: int) -> list[str]:
        start.wait()
        return list(orders.place_all(batch))

    with ThreadPoolExecutor(8) as threads:
        said = [each for placements in threads.map(place, range(8)) for each in placements]
    assert (said.count("placed"), said.count("redelivered")) == (20, 140)
    assert len(rows.all()) == 20


def test_a_batch_of_a_sale_that_is_not_there_rejects_nobody(config: Config, prepare: Prepare) -> None:
    prepare(config)
    with pytest.raises(Unavailable, match="python -m target prepare"):
        Orders(replace(config, sale="elsewhere"), 1).place_all([Claim(f"elsewhere-00000{n}", "b") for n in (1, 2)])


def test_a_batch_is_not_confirmed_while_redis_is_away_and_its_rows_stand(
    config: Config, prepare: Prepare, closed_port: int, rows: Any
) -> None:
    prepare(config)
    batch = [Claim(config.number(n), f"b-{n}") for n in (1, 2)]
    with pytest.raises(Unavailable, match="did not end the claims of 2 orders"):
        Orders(replace(config, redis_url=f"redis://127.0.0.1:{closed_port}/0"), 1).place_all(batch)
    assert len(rows.all()) == 2
    assert Orders(config, 1).place_all(batch) == ["redelivered", "redelivered"]


def test_settling_a_batch_survives_a_redis_that_forgot_the_script(
    config: Config, store: redis.Redis, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "SETTLE", claims.Script(f"{claims.SETTLE.source}-- all {config.sale}"))
    claims.settle_all(store, keys, [(Claim("n", "b"), "placed"), (Claim("m", "c"), "rejected")])
    assert (store.hgetall(keys.confirmed), store.hgetall(keys.rejected)) == ({"n": "b"}, {"m": "c"})


def test_a_batch_without_guards_is_written_as_it_comes(
    config: Config, prepare: Prepare, store: redis.Redis, keys: Keys, rows: Any
) -> None:
    batch = [claim(store, prepare(config), 1, "b-1"), Claim("anything", "b-2"), Claim("anything", "b-3")]
    rows.table = "unguarded_orders"
    assert UnguardedOrders(config, 1).place_all(batch) == ["placed"] * 3
    assert [number for number, _ in rows.all()] == ["anything", "anything", config.number(1)]
    assert store.hgetall(keys.claims) == {}
