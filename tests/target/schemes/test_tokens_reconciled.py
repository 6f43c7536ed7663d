"""`tokens_reconciled`: claims are fenced; nobody is told a number before its order is safe; an order in doubt is sent again."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar

import pytest
import redis

from target.config import Config
from target.errors import AlreadyBought, NotSent, SoldOut, Unavailable
from target.queue.dispatch import Dispatch, Queued
from target.schemes.tokens_reconciled import GRACE_S, TokensReconciled
from target.stores import claims
from target.stores.claims import Claim, Keys
from target.stores.turn import ClaimPipeline

T = TypeVar("T")


class Line:
    """A dispatch that fails as it is told, in turn, and then works."""

    def __init__(self, *failures: Exception) -> None:
        self._failures = list(failures)
        self.sent: list[Claim] = []

    async def send(self, claim: Claim) -> None:
        if self._failures:
            raise self._failures.pop(0)
        self.sent.append(claim)

    async def close(self) -> None: ...


class Gate(Line):
    """A dispatch whose orders wait until `end` is set, and then fail with `failure`, if there is one."""

    def __init__(self, failure: Exception | None = None) -> None:
        super().__init__()
        self.failure = failure
        self.reached, self.end = asyncio.Event(), asyncio.Event()

    async def send(self, claim: Claim) -> None:
        self.reached.set()
        await self.end.wait()
        if self.failure:
            raise self.failure
        await super().send(claim)


@pytest.fixture
def sale(config: Config, prepare: Callable[[Config], Config]) -> Config:
    return prepare(replace(config, scheme="tokens_reconciled"))


async def outcome(shop: TokensReconciled, buyer: str = "b-1") -> str:
    try:
        return await shop.buy(buyer)
    except (AlreadyBought, SoldOut, Unavailable) as error:
        return type(error).__name__


def at(config: Config, work: Callable[..., Awaitable[T]], *lines: Callable[[], Dispatch]) -> T:
    """What `work` comes to with a process of the shop for each of `lines`, its dispatch."""

    async def run() -> T:
        shops = [TokensReconciled(config, line()) for line in lines]
        try:
            return await work(*shops)
        finally:
            for shop in shops:
                await shop.close()

    return asyncio.run(run())


def ask(config: Config, line: Line, times: int) -> list[str]:
    """What b-1 is told, asking that often."""

    async def run(shop: TokensReconciled) -> list[str]:
        return [await outcome(shop) for _ in range(times)]

    return at(config, run, lambda: line)


def left(store: redis.Redis, sale: Config) -> list[str]:
    return list(store.lrange(Keys.of(sale.sale).tokens, 0, -1))


def test_an_order_in_doubt_is_sent_again_the_same_claim(sale: Config, store: redis.Redis) -> None:
    line = Line(Unavailable("no answer"))
    assert ask(sale, line, 3) == ["Unavailable", sale.number(1), "AlreadyBought"]
    assert line.sent == [Claim(sale.number(1), "b-1")]
    assert len(left(store, sale)) == sale.stock - 1


def test_an_order_that_got_nowhere_is_given_back(sale: Config, store: redis.Redis) -> None:
    line = Line(NotSent("refused"))
    assert ask(sale, line, 2) == ["NotSent", sale.number(1)]
    assert len(left(store, sale)) == sale.stock - 1


def test_a_second_failure_does_not_prove_that_the_first_attempt_got_nowhere(sale: Config, store: redis.Redis) -> None:
    line = Line(Unavailable("no answer"), NotSent("refused"))
    assert ask(sale, line, 3) == ["Unavailable", "Unavailable", sale.number(1)]
    assert left(store, sale)[0] == sale.number(2)


def claim_and_die(sale: Config) -> None:
    """A process that claims a unit for b-1 and ends before it has sent the order."""

    async def run() -> None:
        pipeline = ClaimPipeline(sale, outbox=True)
        await pipeline.claim("b-1")
        await pipeline.close()

    asyncio.run(run())


def test_an_order_that_its_process_died_with_is_sent_by_the_next_process(sale: Config) -> None:
    claim_and_die(sale)
    line = Line()

    async def timed(shop: TokensReconciled) -> tuple[str, float]:
        began = asyncio.get_running_loop().time()
        return await outcome(shop), asyncio.get_running_loop().time() - began

    said, took_s = at(sale, timed, lambda: line)
    assert said == sale.number(1)
    assert line.sent == [Claim(sale.number(1), "b-1")]
    assert took_s >= GRACE_S, "another process may be sending it just now"


def test_a_confirmed_order_leaves_the_outbox(sale: Config, store: redis.Redis) -> None:
    ask(sale, Line(), 1)
    keys = Keys.of(sale.sale)
    assert store.hgetall(keys.claims) == {sale.number(1): "b-1"}
    assert store.hgetall(keys.outbox) == {}


def test_a_placed_order_leaves_the_outbox(sale: Config, store: redis.Redis) -> None:
    async def run() -> None:
        shop = TokensReconciled(sale)
        await shop.buy("b-1")
        await shop.close()

    asyncio.run(run())
    assert store.exists(Keys.of(sale.sale).outbox) == 0


# Fenced: whoever was overtaken changes nothing.


def test_a_request_that_fails_late_gives_nothing_back_that_its_retry_has_queued(
    sale: Config, store: redis.Redis
) -> None:
    retry = Line()

    async def race(first: TokensReconciled, second: TokensReconciled, gate: Gate) -> list[str]:
        late = asyncio.ensure_future(outcome(first))
        await gate.reached.wait()
        told = await outcome(second)  # the buyer's retry came to another process, which sent the order
        gate.end.set()
        return [told, await late, await outcome(second, "b-2")]

    async def run() -> list[str]:
        gate = Gate(NotSent("the broker refused the connection"))
        shops = TokensReconciled(sale, gate), TokensReconciled(sale, retry)
        try:
            return await race(*shops, gate)
        finally:
            for shop in shops:
                await shop.close()

    assert asyncio.run(run()) == [sale.number(1), "Unavailable", sale.number(2)]
    assert retry.sent == [Claim(sale.number(1), "b-1"), Claim(sale.number(2), "b-2")]
    assert left(store, sale)[0] == sale.number(3)


def test_a_stamp_that_was_overtaken_neither_confirms_nor_gives_back(sale: Config, store: redis.Redis) -> None:
    async def run() -> list[Any]:
        mine, theirs = ClaimPipeline(sale, outbox=True), ClaimPipeline(sale, outbox=True)
        old = await mine.claim("b-1")
        new = await theirs.take_over(old)
        assert new is not None
        said = [await mine.take_over(old), await mine.confirm(old), await mine.give_back(old)]
        held = store.hgetall(Keys.of(sale.sale).outbox)
        said += [held == {old.number: new.stamp}, await theirs.confirm(new), await theirs.confirm(new)]
        for pipeline in (mine, theirs):
            await pipeline.close()
        return said

    assert asyncio.run(run()) == [None, False, False, True, True, False]


def test_a_unit_that_was_given_back_and_claimed_again_by_the_same_buyer_has_another_stamp(sale: Config) -> None:
    async def run() -> list[bool]:
        pipeline = ClaimPipeline(sale, outbox=True)
        first = await pipeline.claim("b-1")
        said = [await pipeline.give_back(first)]
        again = await pipeline.claim("b-1")
        said += [again == first, await pipeline.give_back(first), await pipeline.confirm(again)]
        await pipeline.close()
        return said

    assert asyncio.run(run()) == [True, True, False, True]


def test_stamps_grow_and_none_is_made_twice_by_an_older_redis(sale: Config, store: redis.Redis) -> None:
    async def run() -> list[str]:
        pipeline = ClaimPipeline(sale, outbox=True)
        stamps = [(await pipeline.claim(f"b-{n}")).stamp for n in range(3)]
        store.delete(Keys.of(sale.sale).fence)
        stamps += [(await pipeline.claim(f"c-{n}")).stamp for n in range(3)]
        await pipeline.close()
        return stamps

    stamps = asyncio.run(run())
    fences = [int(stamp.split(":")[0]) for stamp in stamps]
    assert fences[:3] == sorted(set(fences[:3]))
    assert len(set(stamps)) == 6


def test_the_end_of_another_buyers_order_leaves_the_outbox_entry_of_the_holder(
    sale: Config, store: redis.Redis
) -> None:
    claim_and_die(sale)
    keys = Keys.of(sale.sale)
    claims.settle(store, keys, Claim(sale.number(1), "b-9"), "rejected")
    assert store.hkeys(keys.outbox) == [sale.number(1)]
    claims.settle(store, keys, Claim(sale.number(1), "b-1"), "placed")
    assert store.hkeys(keys.outbox) == []


# A second click shares the first one's fate.


def clicks(sale: Config, failure: Exception | None, *, elsewhere: bool = False) -> tuple[bool, list[str]]:
    """Two clicks of b-1, the second while the first's order is on its way. Whether the second had an answer before that came to its end, and both answers."""

    async def run() -> tuple[bool, list[str]]:
        gate = Gate(failure)
        shops = [TokensReconciled(sale, gate), TokensReconciled(sale, Line())]
        first = asyncio.ensure_future(outcome(shops[0]))
        await gate.reached.wait()
        second = asyncio.ensure_future(outcome(shops[elsewhere]))
        early = bool((await asyncio.wait([second], timeout=GRACE_S / 2))[0])
        gate.end.set()
        said = [await first, await second]
        for shop in shops:
            await shop.close()
        return early, said

    return asyncio.run(run())


@pytest.mark.parametrize("elsewhere", [False, True], ids=["same process", "another process"])
def test_a_second_click_is_told_the_number_once_the_order_is_safe(sale: Config, elsewhere: bool) -> None:
    assert clicks(sale, None, elsewhere=elsewhere) == (False, [sale.number(1), "AlreadyBought"])


def test_a_second_click_is_not_told_a_number_that_is_given_back(sale: Config, store: redis.Redis) -> None:
    assert clicks(sale, NotSent("refused")) == (False, ["NotSent", "NotSent"])
    assert left(store, sale)[0] == sale.number(1)


def test_a_second_click_at_another_process_has_the_unit_that_the_first_gave_back(
    sale: Config, store: redis.Redis
) -> None:
    assert clicks(sale, NotSent("refused"), elsewhere=True) == (False, ["NotSent", sale.number(1)])
    assert left(store, sale)[0] == sale.number(2)


def test_a_second_click_is_in_doubt_as_the_first_is(sale: Config, store: redis.Redis) -> None:
    assert clicks(sale, Unavailable("no answer")) == (False, ["Unavailable", "Unavailable"])
    assert left(store, sale)[0] == sale.number(2)


def test_a_second_click_waits_no_longer_than_the_time_out(sale: Config) -> None:
    async def run() -> list[str]:
        gate = Gate()
        shop = TokensReconciled(replace(sale, timeout_s=0.2), gate)
        first = asyncio.ensure_future(outcome(shop))
        await gate.reached.wait()
        said = [await outcome(shop)]
        gate.end.set()
        said.append(await first)
        await shop.close()
        return said

    assert asyncio.run(run()) == ["OnItsWay", sale.number(1)]


def test_after_a_request_that_was_cancelled_the_next_sends_its_order(sale: Config) -> None:
    async def run() -> tuple[str, list[Claim]]:
        gate = Gate()
        shop = TokensReconciled(sale, gate)
        first = asyncio.ensure_future(shop.buy("b-1"))
        await gate.reached.wait()
        first.cancel()
        with suppress(asyncio.CancelledError):
            await first
        gate.end.set()
        said = await outcome(shop)
        await shop.close()
        return said, gate.sent

    assert asyncio.run(run()) == (sale.number(1), [Claim(sale.number(1), "b-1")])


def test_two_clicks_at_a_broker_that_is_silent_and_then_refuses_are_told_no_number(
    queued: Config, prepare: Callable[[Config], Config], wire: Callable[[str], Any], store: redis.Redis
) -> None:
    sale = prepare(replace(queued, scheme="tokens_reconciled"))
    line = wire(sale.broker_url)
    told = replace(sale, broker_url=line.url, publishers=1, timeout_s=0.3)

    async def run(shop: TokensReconciled) -> list[list[str]]:
        said = [await asyncio.gather(outcome(shop, "b-0"))]
        line.muted = True
        said.append(await asyncio.gather(outcome(shop), outcome(shop)))
        line.cut()
        said.append(await asyncio.gather(outcome(shop, "b-2"), outcome(shop, "b-2")))
        return said

    said = at(told, run, lambda: Queued(told))
    assert said[0] == [sale.number(1)]
    assert set(said[1]) <= {"Unavailable", "OnItsWay"}
    assert set(said[2]) <= {"NotSent", "OnItsWay"}
    keys = Keys.of(sale.sale)
    assert store.hgetall(keys.claims) == {sale.number(1): "b-0", sale.number(2): "b-1"}
    assert left(store, sale)[0] == sale.number(3)
