"""`tokens_reconciled`: an order in doubt is sent again, the same claim, and no other is."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest
import redis

from target.config import Config
from target.errors import AlreadyBought, NotSent, Unavailable
from target.schemes import tokens_reconciled
from target.schemes.tokens_reconciled import TokensReconciled
from target.stores.claims import Claim, Keys
from target.stores.turn import ClaimPipeline


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


@pytest.fixture
def sale(config: Config, prepare: Callable[[Config], Config]) -> Config:
    return prepare(replace(config, scheme="tokens_reconciled"))


def ask(config: Config, line: Line, times: int) -> list[str]:
    """What b-1 is told, asking that often."""

    async def run() -> list[str]:
        shop, said = TokensReconciled(config, line), []
        for _ in range(times):
            try:
                said.append(await shop.buy("b-1"))
            except (AlreadyBought, Unavailable) as error:
                said.append(type(error).__name__)
        await shop.close()
        return said

    return asyncio.run(run())


def test_an_order_in_doubt_is_sent_again_the_same_claim(sale: Config, store: redis.Redis) -> None:
    line = Line(Unavailable("no answer"))
    assert ask(sale, line, 3) == ["Unavailable", sale.number(1), "AlreadyBought"]
    assert line.sent == [Claim(sale.number(1), "b-1")]
    assert store.llen(Keys.of(sale.sale).tokens) == sale.stock - 1


def test_an_order_that_got_nowhere_is_given_back(sale: Config, store: redis.Redis) -> None:
    line = Line(NotSent("refused"))
    assert ask(sale, line, 2) == ["NotSent", sale.number(1)]
    assert store.llen(Keys.of(sale.sale).tokens) == sale.stock - 1


def test_a_second_failure_does_not_prove_that_the_first_attempt_got_nowhere(sale: Config, store: redis.Redis) -> None:
    line = Line(Unavailable("no answer"), NotSent("refused"))
    assert ask(sale, line, 3) == ["Unavailable", "NotSent", sale.number(1)]
    assert store.lrange(Keys.of(sale.sale).tokens, 0, 0) == [sale.number(2)]


def test_an_order_that_its_process_died_with_is_sent_again_after_a_while(
    sale: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def claim_and_die() -> None:
        pipeline = ClaimPipeline(sale, outbox=True)
        await pipeline.claim("b-1")
        await pipeline.close()

    asyncio.run(claim_and_die())
    line = Line()
    assert ask(sale, line, 1) == ["AlreadyBought"]
    monkeypatch.setattr(tokens_reconciled, "PATIENCE_S", 0.0)
    assert ask(sale, line, 1) == [sale.number(1)]
    assert line.sent == [Claim(sale.number(1), "b-1")]


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
