"""`naive`, the control, must oversell."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from target.config import Config
from target.errors import SoldOut
from target.schemes.naive import Naive


@pytest.mark.parametrize("run", range(3))
def test_a_thousand_at_once_buy_more_than_there_is(
    run: int, config: Config, prepare: Callable[[Config], Config], rows: Any
) -> None:
    sale = prepare(replace(config, scheme="naive", stock=200, db_pool=16))
    shop = Naive(sale)

    async def rush() -> list[object]:
        try:
            return await asyncio.gather(*[shop.buy(f"b-{n}") for n in range(1000)], return_exceptions=True)
        finally:
            await shop.close()

    said = asyncio.run(rush())
    rows.table = "unguarded_orders"
    assert len(rows.all()) > 200
    assert {type(each) for each in said} <= {str, SoldOut}
    assert sorted(number for number, _ in rows.all()) == sorted(each for each in said if isinstance(each, str))
