"""`tokens` under a forced race: never more than the stock, never less."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import Any

import redis

from target.config import Config
from target.errors import AlreadyBought, SoldOut
from target.queue.backlog import purge
from target.queue.celery import create_celery
from target.queue.dispatch import Queued
from target.schemes.tokens import Tokens
from target.stores.claims import Claim, Keys

Prepare = Callable[[Config], Config]


async def outcome(shop: Tokens, buyer: str) -> str:
    try:
        return await shop.buy(buyer)
    except (SoldOut, AlreadyBought) as error:
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
