"""What every scheme does, with each dispatch it offers."""

import asyncio
import tomllib
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier
from typing import Any, TypeVar

import pytest

from target.config import Config
from target.errors import AlreadyBought, ConfigError, SoldOut, Unavailable
from target.schemes import SCHEMES, Scheme, open_orders, open_scheme
from target.stores.claims import Claim

T = TypeVar("T")
DATABASE = ["row_lock", "conditional_update", "optimistic", "skip_locked", "naive"]
OFFERED = [
    *[(scheme, dispatch) for scheme in ("tokens", "tokens_reconciled", "redis_counter") for dispatch in ("inline", "queued")],
    *[(scheme, "inline") for scheme in DATABASE],
]  # fmt: skip
# They keep no cap: see the warnings in their docstrings.
CAPLESS = ("naive", "redis_counter")
UNGUARDED = ("naive", "redis_counter")


@pytest.fixture(params=OFFERED, ids="-".join)
def sale(request: pytest.FixtureRequest, config: Config, prepare: Callable[[Config], Config]) -> Config:
    scheme, dispatch = request.param
    return prepare(replace(config, scheme=scheme, dispatch=dispatch, stock=5))


capped = pytest.mark.parametrize("sale", [(s, d) for s, d in OFFERED if s not in CAPLESS], indirect=True, ids="-".join)


def at(config: Config, work: Callable[[Scheme], Awaitable[T]]) -> T:
    async def run() -> T:
        shop = open_scheme(config)
        try:
            return await work(shop)
        finally:
            await shop.close()

    return asyncio.run(run())


async def buy(shop: Scheme, *buyers: str) -> list[str]:
    return [await shop.buy(buyer) for buyer in buyers]


async def outcome(shop: Scheme, buyer: str) -> str:
    try:
        return await shop.buy(buyer)
    except (SoldOut, AlreadyBought) as error:
        return type(error).__name__


def place(config: Config, store: Any) -> None:
    """What the workers would do with the orders that wait."""
    orders = open_orders(config, 1)
    for number, buyer in store.hgetall(f"{config.sale}:claims").items():
        orders.place(Claim(number, buyer))
    orders.close()


def test_every_scheme_is_tested_here() -> None:
    assert {scheme for scheme, _ in OFFERED} == set(SCHEMES)


def test_the_manifest_offers_what_the_shop_does(root: Path, config: Config) -> None:
    offered = tomllib.loads((root / "target/shop.toml").read_text(encoding="utf-8"))["schemes"]
    declared = {
        (name, each) for name, scheme in offered.items() for each in scheme.get("dispatch", ["queued", "inline"])
    }
    assert declared == set(OFFERED)


def test_every_unit_is_sold_and_then_it_is_sold_out(sale: Config) -> None:
    async def work(shop: Scheme) -> tuple[list[str], int]:
        sold = await buy(shop, *(f"b-{n}" for n in range(5)))
        with pytest.raises(SoldOut):
            await shop.buy("b-5")
        return sold, await shop.left()

    assert at(sale, work) == ([sale.number(unit) for unit in range(1, 6)], 0)


def test_what_is_left_goes_down(sale: Config) -> None:
    async def work(shop: Scheme) -> list[int]:
        before = await shop.left()
        await shop.buy("b-1")
        return [before, await shop.left()]

    assert at(sale, work) == [5, 4]


def test_asking_twice_gives_no_second_unit_and_names_the_first(sale: Config) -> None:
    async def work(shop: Scheme) -> tuple[str, object, int]:
        number = await shop.buy("b-1")
        try:
            again: object = await shop.buy("b-1")
        except AlreadyBought as error:
            again = error.number
        return number, again, await shop.left()

    first, second = sale.number(1), sale.number(2)
    if sale.scheme in CAPLESS:
        assert at(sale, work) == (first, second, 3)
    else:
        assert at(sale, work) == (first, first, 4)


def test_who_has_bought_is_told_so_also_when_it_is_sold_out(sale: Config) -> None:
    async def work(shop: Scheme) -> str:
        await buy(shop, *(f"b-{n}" for n in range(5)))
        return await outcome(shop, "b-0")

    assert at(sale, work) == ("SoldOut" if sale.scheme in CAPLESS else "AlreadyBought")


@capped
def test_a_cap_of_two_is_two_units_and_no_third(sale: Config, prepare: Callable[[Config], Config]) -> None:
    two = prepare(replace(sale, per_buyer=2))

    async def work(shop: Scheme) -> list[str]:
        return [await outcome(shop, "b-1") for _ in range(3)]

    assert at(two, work) == [sale.number(1), sale.number(2), "AlreadyBought"]


def test_what_was_sold_becomes_a_row_for_its_buyer(sale: Config, rows: Any, store: Any) -> None:
    number = at(sale, lambda shop: shop.buy("b-1"))
    if sale.dispatch == "queued":
        assert rows.all() == []
        place(sale, store)
    rows.table = "unguarded_orders" if sale.scheme in UNGUARDED else "orders"
    assert rows.all() == [(number, "b-1")]


def rush(config: Config, start: Barrier, buyers: Callable[[int], str]) -> list[str]:
    """60 buyers at once, at a shop of its own."""

    async def run() -> list[str]:
        shop = open_scheme(config)
        await shop.left()
        start.wait()
        try:
            return await asyncio.gather(*[outcome(shop, buyers(n)) for n in range(60)])
        finally:
            await shop.close()

    return asyncio.run(run())


def race(config: Config, buyers: Callable[[int, int], str]) -> list[str]:
    """Four shops in four threads that sell the same sale, all let go at once: what each buyer was told."""
    start = Barrier(4)
    with ThreadPoolExecutor(4) as threads:
        said = threads.map(lambda shop: rush(config, start, lambda n: buyers(shop, n)), range(4))
        return [each for one in said for each in one]


def test_in_a_race_of_four_shops_no_unit_is_sold_twice(
    sale: Config, prepare: Callable[[Config], Config], rows: Any, store: Any
) -> None:
    sale = prepare(replace(sale, stock=40))
    said = race(sale, lambda shop, n: f"b-{shop}-{n}")
    sold = [each for each in said if each.startswith(sale.sale)]
    if sale.dispatch == "queued":
        place(sale, store)
    rows.table = "unguarded_orders" if sale.scheme in UNGUARDED else "orders"
    assert sorted(sold) == [number for number, _ in rows.all()]
    assert len(sold) == len(set(sold))
    if sale.scheme == "naive":
        return  # it may sell more: tests/target/schemes/test_naive.py
    assert len(sold) <= 40
    if sale.scheme != "optimistic":
        assert sorted(sold) == [sale.number(unit) for unit in range(1, 41)]


@capped
def test_in_a_race_of_four_shops_a_buyer_gets_one_unit(
    sale: Config, prepare: Callable[[Config], Config], rows: Any, store: Any
) -> None:
    sale = prepare(replace(sale, stock=100))
    said = race(sale, lambda _, n: f"b-{n % 30}")
    told = [each for each in said if each.startswith(sale.sale)]
    # An order that another shop sends too slowly is sent by two: both then tell its buyer the same number.
    sold = set(told) if sale.scheme == "tokens_reconciled" else told
    if sale.dispatch == "queued":
        place(sale, store)
    buyers = [buyer for _, buyer in rows.all()]
    assert sorted(sold) == [number for number, _ in rows.all()]
    assert len(buyers) == len(set(buyers))
    if sale.scheme != "optimistic":
        assert len(buyers) == 30
        assert at(sale, lambda shop: shop.left()) == 70


def test_preparing_again_leaves_the_same_state(sale: Config, prepare: Callable[[Config], Config], engine: Any) -> None:
    at(sale, lambda shop: buy(shop, "b-1", "b-2"))
    for _ in range(2):
        prepare(sale)
        assert at(sale, lambda shop: shop.left()) == 5
    assert at(sale, lambda shop: buy(shop, "b-3")) == [sale.number(1)]


def test_preparing_one_sale_leaves_the_others_alone(sale: Config, prepare: Callable[[Config], Config]) -> None:
    other = prepare(replace(sale, sale=f"{sale.sale}-other"))
    number = at(other, lambda shop: shop.buy("b-1"))
    prepare(sale)
    assert at(other, lambda shop: shop.left()) == 4
    assert at(other, lambda shop: shop.status(number, None)) in ("queued", "confirmed")


def test_preparing_forgets_what_another_scheme_left(
    sale: Config, prepare: Callable[[Config], Config], store: Any
) -> None:
    prepare(replace(sale, scheme="tokens", dispatch="inline"))
    for name in ("claims", "rejected"):
        store.hset(f"{sale.sale}:{name}", sale.number(1), "b-9")
    prepare(sale)
    assert [store.exists(f"{sale.sale}:{name}") for name in ("claims", "rejected")] == [0, 0]


def test_a_winner_is_confirmed_once_the_row_stands(sale: Config) -> None:
    async def work(shop: Scheme) -> list[object]:
        number = await shop.buy("b-1")
        return [await shop.status(number, buyer) for buyer in (None, "b-1", "b-2")]

    state = "queued" if sale.dispatch == "queued" else "confirmed"
    assert at(sale, work) == [state, state, None]


def test_an_unknown_number_is_nobodys(sale: Config) -> None:
    assert at(sale, lambda shop: shop.status("nothing", None)) is None


def test_without_services_nobody_is_told_that_it_is_sold_out(sale: Config, closed_port: int) -> None:
    nowhere = f"127.0.0.1:{closed_port}/0"
    away = replace(
        sale, redis_url=f"redis://{nowhere}", database_url=f"postgresql://x@{nowhere}", broker_url=f"redis://{nowhere}"
    )
    with pytest.raises(Unavailable):
        at(away, lambda shop: shop.buy("b-1"))


@pytest.mark.parametrize("scheme", DATABASE)
def test_what_sells_in_the_database_is_not_queued(scheme: str, config: Config) -> None:
    expected = f"SHOP_DISPATCH: expected inline with SHOP_SCHEME={scheme}, found 'queued'"
    with pytest.raises(ConfigError, match=expected):
        open_scheme(replace(config, scheme=scheme, dispatch="queued"))


def test_an_unknown_scheme_is_named(config: Config) -> None:
    with pytest.raises(ConfigError, match=r"SHOP_SCHEME: expected conditional_update or naive or .* found 'magic'"):
        open_scheme(replace(config, scheme="magic"))
