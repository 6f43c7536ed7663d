"""What a failed enqueue proves: refused connections give units back, anything else keeps them."""

import asyncio
import base64
import json
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import redis
from kombu import Producer

from target.config import Config
from target.errors import NotSent, Rejected, Unavailable
from target.queue.backlog import purge
from target.queue.dispatch import Dispatch, Inline, Queued, refused
from target.schemes.tokens import Tokens
from target.stores.claims import Claim, Keys

Prepare = Callable[[Config], Config]


def send(dispatch: Dispatch, *claims: Claim) -> None:
    async def run() -> None:
        for claim in claims:
            await dispatch.send(claim)

    asyncio.run(run())


def buy(config: Config, dispatch: Dispatch | None = None) -> str:
    async def run() -> str:
        shop = Tokens(config, dispatch)
        try:
            return await shop.buy("b-1")
        finally:
            await shop.close()

    return asyncio.run(run())


@pytest.fixture
def sale(queued: Config, prepare: Prepare) -> Config:
    return prepare(queued)


@pytest.fixture
def waiting(sale: Config) -> Callable[[], list[Any]]:
    """The arguments of every order that waits in the queue."""

    def read() -> list[Any]:
        with redis.Redis.from_url(sale.broker_url) as broker:
            messages = [json.loads(text) for text in reversed(broker.lrange("orders", 0, -1))]
        return [json.loads(base64.b64decode(message["body"]))[0] for message in messages]

    return read


def test_an_order_is_on_the_queue_when_its_buyer_is_told(sale: Config, waiting: Callable[[], list[Any]]) -> None:
    number = buy(sale)
    assert waiting() == [[number, "b-1", 1]]


def test_a_refused_connection_gives_the_unit_back(sale: Config, store: redis.Redis, closed_port: int) -> None:
    with pytest.raises(NotSent):
        buy(replace(sale, broker_url=f"redis://127.0.0.1:{closed_port}/0"))
    keys = Keys.of(sale.sale)
    assert store.lindex(keys.tokens, 0) == sale.number(1)
    assert (store.llen(keys.tokens), store.hgetall(keys.claims), store.hgetall(keys.buyers)) == (sale.stock, {}, {})


def test_a_broker_that_went_away_between_two_orders_gives_the_unit_back(
    sale: Config, wire: Callable[[str], Any]
) -> None:
    line = wire(sale.broker_url)
    dispatch = Queued(replace(sale, broker_url=line.url, publishers=1))
    send(dispatch, Claim(sale.number(1), "b-1"))
    line.cut()
    with pytest.raises(NotSent):
        send(dispatch, Claim(sale.number(2), "b-2"))


def test_an_enqueue_whose_answer_is_lost_keeps_the_claim(
    sale: Config, store: redis.Redis, wire: Callable[[str], Any], waiting: Callable[[], list[Any]]
) -> None:
    line = wire(sale.broker_url)
    told = replace(sale, broker_url=line.url, publishers=1, timeout_s=0.5)
    dispatch = Queued(told)
    send(dispatch, Claim(sale.number(20), "b-20"))
    line.muted = True
    with pytest.raises(Unavailable) as caught:
        buy(told, dispatch)
    assert not isinstance(caught.value, NotSent)
    keys = Keys.of(sale.sale)
    assert store.hgetall(keys.claims) == {sale.number(1): "b-1"}
    assert store.llen(keys.tokens) == sale.stock - 1
    assert [arguments[0] for arguments in waiting()] == [sale.number(20), sale.number(1)]


def test_after_an_error_a_publisher_works_again(
    sale: Config, wire: Callable[[str], Any], waiting: Callable[[], list[Any]]
) -> None:
    line = wire(sale.broker_url)
    dispatch = Queued(replace(sale, broker_url=line.url, publishers=1, timeout_s=0.5))
    send(dispatch, Claim(sale.number(1), "b-1"))
    line.muted = True
    with pytest.raises(Unavailable):
        send(dispatch, Claim(sale.number(2), "b-2"))
    line.muted = False
    send(dispatch, Claim(sale.number(3), "b-3"))
    assert sale.number(3) in [arguments[0] for arguments in waiting()]


def test_an_order_that_comes_as_the_publishers_end_is_sent(sale: Config, waiting: Callable[[], list[Any]]) -> None:
    claims = [Claim(sale.number(n), f"b-{n}") for n in (1, 2, 3)]

    async def one_by_one() -> None:
        dispatch = Queued(replace(sale, publishers=1))
        for claim in claims:  # each in the moment in which the one before it is told
            await dispatch.send(claim)

    asyncio.run(asyncio.wait_for(one_by_one(), 5))
    assert waiting() == [[claim.number, claim.buyer, 1] for claim in claims]


def test_enqueueing_never_stops_the_event_loop(sale: Config) -> None:
    async def longest_pause() -> float:
        dispatch, loop, longest = Queued(sale), asyncio.get_running_loop(), 0.0
        sent = asyncio.gather(*[dispatch.send(Claim(sale.number(n % 20 + 1), f"b-{n}")) for n in range(300)])
        while not sent.done():
            before = loop.time()
            await asyncio.sleep(0.001)
            longest = max(longest, loop.time() - before)
        await sent
        return longest

    assert asyncio.run(longest_pause()) < 0.25
    purge(sale)


def test_inline_a_refused_order_is_rejected(config: Config, prepare: Prepare, rows: Any) -> None:
    dispatch = Inline(prepare(config))
    send(dispatch, Claim(config.number(1), "b-1"))
    with pytest.raises(Rejected):
        send(dispatch, Claim(config.number(1), "b-2"))
    assert rows.all() == [(config.number(1), "b-1")]


def test_inline_without_a_database_the_unit_is_given_back(
    config: Config, prepare: Prepare, store: redis.Redis, closed_port: int
) -> None:
    prepare(config)
    with pytest.raises(NotSent):
        buy(replace(config, database_url=f"postgresql://x@127.0.0.1:{closed_port}/x"))
    assert store.llen(Keys.of(config.sale).tokens) == config.stock


def chained(*links: Exception) -> Exception:
    for link, cause in pairwise(links):
        link.__context__ = cause
    return links[0]


@pytest.mark.parametrize(
    ("proof", "error"),
    [
        (True, chained(RuntimeError(), ConnectionRefusedError())),
        (True, chained(RuntimeError(), ConnectionRefusedError(), redis.ConnectionError("closed by server"))),
        (False, RuntimeError()),
        (False, chained(RuntimeError(), ConnectionResetError())),
        (False, chained(RuntimeError(), ConnectionRefusedError(), ConnectionResetError())),
        (False, chained(RuntimeError(), ConnectionRefusedError(), TimeoutError())),
    ],
)
def test_only_a_refusal_with_nothing_before_it_is_proof(proof: bool, error: Exception) -> None:
    assert refused(error) is proof


def test_orders_that_travelled_together_share_their_fate(
    sale: Config, waiting: Callable[[], list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    dispatch = Queued(replace(sale, publishers=1))
    publish = dispatch._publish

    def publish_or_fail(producer: Producer, claim: Claim) -> None:
        if claim.buyer == "b-21":
            raise RuntimeError("the connection is gone")
        publish(producer, claim)

    monkeypatch.setattr(dispatch, "_publish", publish_or_fail)

    async def send(*numbers: int) -> list[str]:
        sent = [dispatch.send(Claim(sale.number(n), f"b-{n}")) for n in numbers]
        return [type(said).__name__ for said in await asyncio.gather(*sent, return_exceptions=True)]

    assert asyncio.run(send(*range(1, 21))) == ["NoneType"] * 20
    assert asyncio.run(send(21, 22)) == ["Unavailable"] * 2, "one of them went down: nobody knows of the other"
    assert [arguments[0] for arguments in waiting()] == [sale.number(n) for n in range(1, 21)]
