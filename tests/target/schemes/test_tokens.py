"""`tokens` under a forced race: never more than the stock, never less."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import Any

import pytest
import redis

from target.config import Config
from target.errors import AlreadyBought, NotSent, SoldOut
from target.queue.backlog import purge
from target.queue.celery import create_celery
from target.queue.dispatch import Queued
from target.schemes.tokens import Tokens
from target.stores.claims import Claim, Keys

Prepare = Callable[[Config], Config]


async def outcome(shop: Tokens, buyer: str) -> str:
    try:
        return await shop.buy(buyer)
    except (SoldOut, AlreadyBought, NotSent) as error:
        return type(error).__name__


def rush(config: Config, start: Barrier) -> list[str]:
    """200 buyers at once, the same in every thread, each buying twice."""

    async def run() -> list[str]:
        shop = Tokens(config)
        await shop.left()
        start.wait()
        try:
            return await asyncio.gather(*[outcome(shop, f"b-{n % 200}") for n in range(400)])
        finally:
            await shop.close()

    return asyncio.run(run())


def test_a_herd_at_four_shops_buys_every_unit_once(
    config: Config, prepare: Prepare, rows: Any, store: redis.Redis
) -> None:
    sale, start = prepare(replace(config, stock=100)), Barrier(4)
    with ThreadPoolExecutor(4) as threads:
        said = [each for one in threads.map(lambda _: rush(sale, start), range(4)) for each in one]
    sold = sorted(each for each in said if each.startswith(sale.sale))
    assert sold == [sale.number(unit) for unit in range(1, 101)]
    assert [number for number, _ in rows.all()] == sold
    assert len({buyer for _, buyer in rows.all()}) == 100
    keys = Keys.of(sale.sale)
    assert (store.llen(keys.tokens), store.hlen(keys.claims), store.get(keys.near_misses)) == (0, 0, None)


def test_a_second_click_is_told_a_number_that_is_given_back_and_sold_to_another(
    config: Config, prepare: Prepare
) -> None:
    """The hole that the docstring warns of. `tokens_reconciled` does not have it."""
    sale = prepare(config)

    class Refusing:
        def __init__(self) -> None:
            self.reached, self.end = asyncio.Event(), asyncio.Event()

        async def send(self, claim: Claim) -> None:
            if claim.buyer == "b-1":
                self.reached.set()
                await self.end.wait()
                raise NotSent("the broker refused the connection")

        async def close(self) -> None: ...

    async def run() -> list[str]:
        line = Refusing()
        shop = Tokens(sale, line)
        first = asyncio.ensure_future(outcome(shop, "b-1"))
        await line.reached.wait()
        with pytest.raises(AlreadyBought) as caught:
            await shop.buy("b-1")
        line.end.set()
        said = [await first, caught.value.number, await outcome(shop, "b-2")]
        await shop.close()
        return said

    assert asyncio.run(run()) == ["NotSent", sale.number(1), sale.number(1)]


def test_purging_empties_the_queue_of_orders_and_no_other(queued: Config, prepare: Prepare) -> None:
    sale = prepare(queued)
    dispatch = Queued(sale)

    async def fill() -> None:
        for unit in (1, 2):
            await dispatch.send(Claim(sale.number(unit), "b"))

    asyncio.run(fill())
    with create_celery(sale).connection_for_write() as connection:
        other = connection.SimpleQueue("letters")
        other.put("to keep")
        held = connection.SimpleQueue("orders").get()  # taken, never acknowledged: as a dead worker leaves it
        client = connection.default_channel.client
        assert (client.llen("orders"), client.hlen("unacked")) == (1, 1)
        purge(sale)
        assert (client.llen("orders"), client.hlen("unacked"), client.zcard("unacked_index")) == (0, 0, 0)
        client.set("unacked_mutex", "of a dead worker")
        purge(sale)
        assert not client.exists("unacked_mutex"), "nothing would be redelivered until it lapses"
        assert len(other) == 1
        held.ack()
        other.clear()
