"""Workers, as the manifest starts them: the rate is met, and a killed one loses nothing."""

import asyncio
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import psutil
import pytest
import redis
import sqlalchemy as sa

from target.celery import create_celery
from target.claims import Claim, Keys
from target.config import Config
from target.dispatch import Queued
from target.schemes.tokens import Tokens

Prepare = Callable[[Config], Config]


def buy(config: Config, count: int) -> list[str]:
    """That many orders, claimed and queued."""

    async def run() -> list[str]:
        shop = Tokens(config)
        try:
            return await asyncio.gather(*[shop.buy(f"b-{n}") for n in range(count)])
        finally:
            await shop.close()

    return asyncio.run(run())


def most_in_1s(times: list[float]) -> int:
    """The most rows in any sliding second."""
    return max(sum(start <= time < start + 1 for time in times[n:]) for n, start in enumerate(times))


@pytest.mark.alone
def test_a_backlog_drains_at_the_rate_and_never_faster(
    queued: Config, prepare: Prepare, worker: Any, rows: Any, eventually: Any
) -> None:
    sale = prepare(replace(queued, stock=80, limiter="flat", rate_per_s=20.0, burst=2))
    buy(sale, 80)
    with worker(sale):
        eventually(lambda: len(rows.all()) == 80, 20)
    times = rows.times()
    assert 0.95 * 20 <= (len(times) - 1) / (times[-1] - times[0]) <= 1.02 * 20
    assert most_in_1s(times) <= 22


def test_every_winner_is_confirmed_and_no_claim_is_left(
    queued: Config, prepare: Prepare, worker: Any, rows: Any, eventually: Any, store: redis.Redis
) -> None:
    sale = prepare(queued)
    numbers = buy(sale, 20)
    keys = Keys.of(sale.sale)
    with worker(sale):
        eventually(lambda: store.hlen(keys.confirmed) == 20, 20)
    assert [number for number, _ in rows.all()] == sorted(numbers)
    assert store.hgetall(keys.confirmed) == dict(rows.all())
    assert (store.hlen(keys.claims), store.get(keys.near_misses)) == (0, None)


@pytest.fixture
def blocked(engine: sa.Engine) -> Any:
    """Holds the row of an order, uncommitted, so that whoever places it waits."""

    class Blocked:
        def hold(self, config: Config, number: str) -> None:
            self.connection = engine.execution_options(isolation_level="READ COMMITTED").connect()
            row = {"number": number, "sale": config.sale, "stock": config.stock}
            statement = "INSERT INTO orders (number, sale, buyer, nth, stock, per_buyer) VALUES (:number, :sale, 'x', 1, :stock, 1)"
            self.connection.execute(sa.text(statement), row)

        def somebody_waits(self) -> bool:
            query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = 'shop'"
            with engine.connect() as connection:
                return bool(connection.scalar(sa.text(query)))

        def release(self) -> None:
            self.connection.rollback()
            self.connection.close()

    return Blocked()


def test_an_order_in_a_killed_child_is_placed_by_another(
    queued: Config, prepare: Prepare, worker: Any, rows: Any, eventually: Any, blocked: Any, store: redis.Redis
) -> None:
    sale = prepare(replace(queued, visibility_s=600.0))
    number = sale.number(1)
    blocked.hold(sale, number)
    with worker(sale) as process:
        buy(sale, 1)
        eventually(blocked.somebody_waits, 10)
        for child in psutil.Process(process.pid).children():
            child.kill()
        blocked.release()
        eventually(lambda: rows.all() == [(number, "b-0")], 20)
        eventually(lambda: store.hgetall(Keys.of(sale.sale).confirmed) == {number: "b-0"}, 10)


def test_an_order_in_a_killed_worker_is_placed_by_another_after_the_visibility_time_out(
    queued: Config, prepare: Prepare, worker: Any, rows: Any, eventually: Any, blocked: Any
) -> None:
    sale = prepare(replace(queued, visibility_s=2.0))
    number = sale.number(1)
    blocked.hold(sale, number)
    with worker(sale, "first") as process:
        buy(sale, 1)
        eventually(blocked.somebody_waits, 10)
        os.killpg(process.pid, signal.SIGKILL)
    blocked.release()
    with worker(sale, "second"):
        eventually(lambda: [found for found, _ in rows.all()] == [number], 20)


def test_a_message_that_is_not_json_never_runs(queued: Config, prepare: Prepare) -> None:
    conf = create_celery(prepare(queued)).conf
    assert (conf.accept_content, conf.task_serializer, conf.task_ignore_result) == (["json"], "json", True)


def test_publishing_is_one_attempt(queued: Config) -> None:
    assert create_celery(queued).conf.task_publish_retry is False
    dispatch = Queued(replace(queued, broker_url="redis://127.0.0.1:1/0"))
    start = asyncio.new_event_loop()
    before = start.time()
    with pytest.raises(Exception, match="no connection to the broker"):
        start.run_until_complete(dispatch.send(Claim("n", "b")))
    assert start.time() - before < 1
    start.close()
