"""Claims: one unit a buyer, whatever is repeated, lost or raced; and one trip to Redis a turn."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import Any, TypeVar

import pytest
import redis

from target.config import Config
from target.errors import AlreadyBought, SoldOut, Unavailable
from target.stores import claims, turn
from target.stores.claims import Claim, Keys, Script
from target.stores.turn import ClaimPipeline

T = TypeVar("T")


@pytest.fixture
def sale(config: Config, store: redis.Redis) -> Config:
    """The sale, seeded; no database needed."""
    claims.seed(store, Keys.of(config.sale), [config.number(unit) for unit in range(1, config.stock + 1)])
    return config


def at(config: Config, work: Callable[[ClaimPipeline], Awaitable[T]]) -> T:
    """Whatever `work` gets done over a pipeline of its own."""

    async def run() -> T:
        pipeline = ClaimPipeline(config)
        try:
            return await work(pipeline)
        finally:
            await pipeline.close()

    return asyncio.run(run())


def scripts(store: redis.Redis) -> int:
    """How many scripts Redis has run."""
    return int(store.info("commandstats").get("cmdstat_evalsha", {"calls": 0})["calls"])


async def outcome(pipeline: ClaimPipeline, buyer: str) -> str:
    try:
        return (await pipeline.claim(buyer)).number
    except (AlreadyBought, SoldOut, Unavailable) as error:
        return type(error).__name__


def test_a_claim_takes_the_first_number_and_is_recorded(sale: Config, store: redis.Redis) -> None:
    assert at(sale, lambda pipeline: pipeline.claim("b-1")) == Claim(sale.number(1), "b-1", 1)
    keys = Keys.of(sale.sale)
    assert store.hgetall(keys.claims) == {sale.number(1): "b-1"}
    assert store.llen(keys.tokens) == sale.stock - 1


def test_claiming_again_names_the_same_number_and_takes_nothing(sale: Config, store: redis.Redis) -> None:
    async def twice(pipeline: ClaimPipeline) -> str:
        await pipeline.claim("b-1")
        with pytest.raises(AlreadyBought) as caught:
            await pipeline.claim("b-1")
        return caught.value.number

    assert at(sale, twice) == sale.number(1)
    assert store.llen(Keys.of(sale.sale).tokens) == sale.stock - 1


def test_a_cap_of_two_is_two_units_and_no_third(sale: Config) -> None:
    async def thrice(pipeline: ClaimPipeline) -> list[str]:
        return [await outcome(pipeline, "b-1") for _ in range(3)]

    assert at(replace(sale, per_buyer=2), thrice) == [sale.number(1), sale.number(2), "AlreadyBought"]


def test_a_place_given_back_below_the_cap_is_the_place_taken_next(sale: Config) -> None:
    async def work(pipeline: ClaimPipeline) -> Claim:
        first = await pipeline.claim("b-1")
        await pipeline.claim("b-1")
        await pipeline.give_back(first)
        return await pipeline.claim("b-1")

    assert at(replace(sale, per_buyer=2), work) == Claim(sale.number(1), "b-1", 1)


def test_everybody_at_once_sells_each_unit_once_in_one_trip(sale: Config, store: redis.Redis) -> None:
    async def herd(pipeline: ClaimPipeline) -> tuple[list[str], int]:
        await outcome(pipeline, "first")
        before = scripts(store)
        said = await asyncio.gather(*[outcome(pipeline, f"b-{n}") for n in range(100)])
        return said, scripts(store) - before

    said, trips = at(sale, herd)
    sold = [number for number in said if number != "SoldOut"]
    assert sorted(sold) == [sale.number(unit) for unit in range(2, sale.stock + 1)]
    assert said.count("SoldOut") == 100 - (sale.stock - 1)
    assert trips == 1


def test_more_than_one_turn_holds_are_served_in_turns(sale: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn, "MOST_A_TURN", 7)

    async def herd(pipeline: ClaimPipeline) -> list[str]:
        return await asyncio.gather(*[outcome(pipeline, f"b-{n}") for n in range(50)])

    assert at(sale, herd) == [sale.number(unit) for unit in range(1, 21)] + ["SoldOut"] * 30


def test_the_same_buyers_raced_from_four_processes_worth_of_desks_get_one_unit_each(
    sale: Config, store: redis.Redis
) -> None:
    start = Barrier(4)

    async def herd(pipeline: ClaimPipeline) -> list[str]:
        await pipeline.left()
        start.wait()
        return await asyncio.gather(*[outcome(pipeline, f"b-{n}") for n in range(15)])

    with ThreadPoolExecutor(4) as threads:
        said = [each for pipeline in threads.map(lambda _: at(sale, herd), range(4)) for each in pipeline]
    sold = [number for number in said if number.startswith(sale.sale)]
    assert len(sold) == len(set(sold)) == 15
    assert said.count("AlreadyBought") == 45
    assert store.llen(Keys.of(sale.sale).tokens) == sale.stock - 15


def test_a_lost_reply_takes_one_unit_and_asking_again_finds_it(
    sale: Config, store: redis.Redis, wire: Callable[[str], Any]
) -> None:
    line = wire(sale.redis_url)

    async def lose(pipeline: ClaimPipeline) -> tuple[str, int]:
        await outcome(pipeline, "b-0")
        line.losing_one = True
        before = scripts(store)
        return await outcome(pipeline, "b-1"), scripts(store) - before

    assert at(replace(sale, redis_url=line.url, timeout_s=0.3), lose) == ("Unavailable", 1)
    assert store.llen(Keys.of(sale.sale).tokens) == sale.stock - 2
    assert at(sale, lambda pipeline: outcome(pipeline, "b-1")) == "AlreadyBought"
    assert store.hget(Keys.of(sale.sale).claims, sale.number(2)) == "b-1"


def test_without_redis_every_waiter_is_told(sale: Config, closed_port: int) -> None:
    async def all_sorts(pipeline: ClaimPipeline) -> list[object]:
        asked = (
            pipeline.claim("b-1"),
            pipeline.claim("b-2"),
            pipeline.look("x"),
            pipeline.left(),
            pipeline.give_back(Claim("n", "b")),
        )
        return [type(said) for said in await asyncio.gather(*asked, return_exceptions=True)]

    assert at(replace(sale, redis_url=f"redis://127.0.0.1:{closed_port}/0"), all_sorts) == [Unavailable] * 5


def test_the_desk_works_again_when_redis_does(sale: Config, wire: Callable[[str], Any]) -> None:
    line = wire(sale.redis_url)

    async def work(pipeline: ClaimPipeline) -> list[str]:
        await pipeline.left()
        line.muted = True
        lost = await outcome(pipeline, "b-1")
        line.muted = False
        return [lost, await outcome(pipeline, "b-2")]

    lost, found = at(replace(sale, redis_url=line.url, timeout_s=0.3), work)
    assert lost == "Unavailable"
    assert found.startswith(sale.sale)


def test_a_command_that_redis_refuses_fails_its_waiters_only(sale: Config, store: redis.Redis) -> None:
    keys = Keys.of(sale.sale)
    store.set(keys.confirmed, "not a hash")

    async def work(pipeline: ClaimPipeline) -> list[object]:
        asked = (pipeline.claim("b-1"), pipeline.look(sale.number(1)), pipeline.left())
        return list(await asyncio.gather(*asked, return_exceptions=True))

    claimed, look, left = at(sale, work)
    assert (claimed, left) == (Claim(sale.number(1), "b-1"), sale.stock - 1)
    assert isinstance(look, Unavailable)


def test_a_redis_that_forgot_the_script_is_told_it_again(sale: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn, "CLAIM", Script(f"{turn.CLAIM.source}-- {sale.sale}"))
    assert at(sale, lambda pipeline: outcome(pipeline, "b-1")) == sale.number(1)


# A pipeline of which only a part was carried out: what was, is not sent again.


def forgotten(script: Script, sale: Config) -> Script:
    """The same script, which Redis has never seen."""
    return Script(f"{script.source}-- {sale.sale}")


def test_units_are_given_back_once_though_redis_forgot_how_to_claim(sale: Config, store: redis.Redis) -> None:
    async def work(pipeline: ClaimPipeline) -> list[str]:
        held = await pipeline.claim("b-1")
        pipeline._script = forgotten(claims.CLAIM, sale)
        _, again = await asyncio.gather(pipeline.give_back(held), pipeline.claim("b-1"))
        return [again.number, await outcome(pipeline, "b-2")]

    assert at(sale, work) == [sale.number(1), sale.number(2)]
    assert store.hgetall(Keys.of(sale.sale).claims) == {sale.number(1): "b-1", sale.number(2): "b-2"}


def test_a_unit_is_claimed_once_though_redis_forgot_how_to_give_back(sale: Config, store: redis.Redis) -> None:
    async def work(pipeline: ClaimPipeline) -> tuple[bool, str]:
        held = await pipeline.claim("b-1")
        pipeline._returning = forgotten(claims.GIVE_BACK, sale)
        back, other = await asyncio.gather(pipeline.give_back(held), outcome(pipeline, "b-2"))
        return back, other

    assert at(replace(sale, per_buyer=2), work) == (True, sale.number(2))
    assert store.llen(Keys.of(sale.sale).tokens) == sale.stock - 1


def test_a_batch_is_settled_once_though_redis_forgot_the_script_in_the_middle(
    sale: Config, store: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys, settling = Keys.of(sale.sale), claims._settling

    def half_forgotten(keys: Keys, claim: Claim, placement: Any) -> claims.Call:
        call = settling(keys, claim, placement)
        return replace(call, script=forgotten(call.script, sale)) if claim.buyer == "b-2" else call

    claims.settle(store, keys, Claim(sale.number(9), "b-9"), "placed")
    monkeypatch.setattr(claims, "_settling", half_forgotten)
    orders = [Claim(sale.number(n), f"b-{n}") for n in (1, 2, 3)]
    claims.settle_all(store, keys, [(claim, "redelivered") for claim in orders])
    assert store.get(keys.near_misses) == "3"
    assert store.hlen(keys.confirmed) == 4


def test_a_wire_that_breaks_while_the_rest_is_sent_again_takes_no_answer_from_the_others(
    sale: Config, store: redis.Redis, wire: Callable[[str], Any]
) -> None:
    line = wire(sale.redis_url)

    class Breaking(ClaimPipeline):
        async def _repeat(self, commands: Any) -> list[Any]:
            line.muted = True
            return await super()._repeat(commands)

    async def run() -> list[Any]:
        pipeline = Breaking(replace(sale, redis_url=line.url, timeout_s=0.3))
        held = await pipeline.claim("b-1")
        pipeline._script = forgotten(claims.CLAIM, sale)
        said = await asyncio.gather(
            pipeline.give_back(held), pipeline.left(), pipeline.claim("b-2"), return_exceptions=True
        )
        await pipeline.close()
        return said

    back, count, claim = asyncio.run(run())
    assert (back, count) == (True, sale.stock - 1)
    assert isinstance(claim, Unavailable)
    assert store.hgetall(Keys.of(sale.sale).claims) == {sale.number(1): "b-2"}, "once, whatever was answered"


def test_giving_back_puts_the_unit_and_the_buyer_back_once(sale: Config, store: redis.Redis) -> None:
    keys = Keys.of(sale.sale)

    async def work(pipeline: ClaimPipeline) -> Claim:
        claim = await pipeline.claim("b-1")
        await pipeline.give_back(claim)
        await pipeline.give_back(claim)
        return claim

    at(sale, work)
    assert store.lrange(keys.tokens, 0, -1) == [sale.number(unit) for unit in range(1, sale.stock + 1)]
    assert (store.hgetall(keys.claims), store.hgetall(keys.buyers)) == ({}, {})


def test_nobody_gives_back_what_another_holds(sale: Config, store: redis.Redis) -> None:
    async def work(pipeline: ClaimPipeline) -> None:
        claim = await pipeline.claim("b-1")
        await pipeline.give_back(replace(claim, buyer="b-2"))

    at(sale, work)
    assert store.hgetall(Keys.of(sale.sale).claims) == {sale.number(1): "b-1"}


def test_an_order_is_looked_up_by_number_and_by_buyer(sale: Config, store: redis.Redis) -> None:
    keys, one, two = Keys.of(sale.sale), sale.number(1), sale.number(2)
    store.hset(keys.claims, one, "b-1")
    claims.settle(store, keys, Claim(two, "b-2"), "placed")
    claims.settle(store, keys, Claim(two, "b-3"), "rejected")

    async def look(pipeline: ClaimPipeline) -> list[str | None]:
        asked = [(one, None), (one, "b-1"), (one, "b-9"), (two, None), (two, "b-2"), (two, "b-3"), ("none", None)]
        return list(await asyncio.gather(*[pipeline.look(*each) for each in asked]))

    assert at(sale, look) == ["queued", "queued", None, "confirmed", "confirmed", "rejected", None]
