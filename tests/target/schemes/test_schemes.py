"""What every scheme does, with each dispatch it offers."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, TypeVar

import pytest

from target.config import Config
from target.errors import ConfigError, SoldOut, Unavailable
from target.schemes import SCHEMES, Scheme, open_scheme

T = TypeVar("T")
OFFERED = [("tokens", "inline"), ("tokens", "queued"), ("naive", "inline")]


@pytest.fixture(params=OFFERED, ids="-".join)
def sale(request: pytest.FixtureRequest, config: Config, prepare: Callable[[Config], Config]) -> Config:
    scheme, dispatch = request.param
    return prepare(replace(config, scheme=scheme, dispatch=dispatch, stock=5))


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


def test_every_scheme_is_tested_here() -> None:
    assert {scheme for scheme, _ in OFFERED} == set(SCHEMES)


def test_every_unit_is_sold_and_then_it_is_sold_out(sale: Config) -> None:
    async def work(shop: Scheme) -> tuple[list[str], int]:
        sold = await buy(shop, *(f"b-{n}" for n in range(5)))
        with pytest.raises(SoldOut):
            await shop.buy("b-5")
        return sold, await shop.left()

    assert at(sale, work) == ([sale.number(unit) for unit in range(1, 6)], 0)


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


def test_an_unknown_scheme_is_named(config: Config) -> None:
    with pytest.raises(ConfigError, match="SHOP_SCHEME: expected naive or tokens, found 'magic'"):
        open_scheme(replace(config, scheme="magic"))
