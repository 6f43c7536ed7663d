"""Workers, as the manifest starts them: the rate is met, and a killed one loses nothing."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis
import sqlalchemy as sa

from loadtest.experiment.schema import Experiment
from loadtest.manifest.loading import load_shop
from loadtest.record.run_dir import RunDir
from loadtest.sale.limits import asking, changes, open_limits
from target.config import Config, load
from target.queue.celery import create_celery
from target.queue.dispatch import Queued
from target.schemes.tokens import Tokens
from target.stores.claims import Claim, Keys
from tests.stalls import Stalls
from tests.waiting import eventually

Prepare = Callable[[Config], Config]
NEEDED = {
    "SHOP_DATABASE_URL": "postgresql://d",
    "SHOP_REDIS_URL": "redis://r",
    "SHOP_BROKER_URL": "redis://b",
    "SHOP_SALE": "s",
    "SHOP_STOCK": "1",
}


def buy(config: Config, count: int) -> list[str]:
    """That many orders, claimed and queued."""

    async def run() -> list[str]:
        shop = Tokens(config)
        try:
            return await asyncio.gather(*[shop.buy(f"b-{n}") for n in range(count)])
        finally:
            await shop.close()

    return asyncio.run(run())


def overall(times: list[float], first: int = 1) -> float:
    """Rows a second. The `first` came together, and begin it."""
    return (len(times) - first) / (times[-1] - times[0])


def most_in_1s(times: list[float]) -> int:
    """The most rows in any sliding second."""
    return max(sum(start <= time < start + 1 for time in times[n:]) for n, start in enumerate(times))


@pytest.mark.alone
def test_a_backlog_drains_at_the_rate_and_never_faster(
    queued: Config, prepare: Prepare, worker: Any, rows: Any, stalls: Stalls
) -> None:
    sale = prepare(replace(queued, stock=80, limiter="flat", rate_per_s=20.0, burst=2))
    buy(sale, 80)
    with worker(sale):
        eventually(lambda: len(rows.all()) == 80, 20)
    times = rows.times()
    assert 0.95 * 20 <= stalls.rate(times)
    assert overall(times) <= 1.02 * 20
    assert most_in_1s(times) <= 22


@pytest.mark.alone
@pytest.mark.parametrize(
    ("pool", "concurrency", "kind"), [("threads", 4, "flat"), ("gevent", 4, "shared"), ("solo", 1, "flat")]
)
def test_every_pool_meets_the_rate(
    queued: Config, prepare: Prepare, worker: Any, rows: Any, stalls: Stalls, pool: str, concurrency: int, kind: Any
) -> None:
    sale = prepare(replace(queued, stock=60, limiter=kind, rate_per_s=40.0, burst=2))
    with worker(sale, pool=pool, concurrency=concurrency):
        buy(sale, 60)
        eventually(lambda: len(rows.all()) == 60, 10)
    times = rows.times()
    assert 0.9 * 40 <= stalls.rate(times)
    assert overall(times) <= 1.05 * 40
    assert most_in_1s(times) <= 42


@pytest.mark.alone
def test_a_limit_of_all_workers_changes_for_all_of_them_and_for_what_they_hold(
    queued: Config, prepare: Prepare, worker: Any, rows: Any, stalls: Stalls, tmp_path: Path
) -> None:
    sale = prepare(replace(queued, stock=200, limiter="shared", rate_per_s=10.0, burst=2, workers=2))
    experiment = Experiment(limiter={"kind": "shared", "rate_per_s": 10}, workers={"count": 2})
    with worker(sale, "one"), worker(sale, "two"), told(tmp_path, experiment, sale) as limits:
        buy(sale, 200)
        eventually(lambda: len(rows.all()) >= 10, 5)
        asking(tmp_path).write_text("60", encoding="utf-8")
        limits.tick()
        time.sleep(2)
    [change] = changes(tmp_path)
    assert (change.rate_per_s, change.together_per_s, change.answered) == (60, 60, 2)
    before = [t for t in rows.times() if t < change.time_ns / 1e9]
    after = [t for t in rows.times() if change.time_ns / 1e9 + 0.5 < t < change.time_ns / 1e9 + 2]
    assert overall(before) <= 1.05 * 10
    assert 0.9 * 60 <= stalls.rate(after)
    assert overall(after) <= 1.05 * 60


def told(run: Path, experiment: Experiment, sale: Config) -> Any:
    """The harness's hand on the limit of this sale."""
    return open_limits(RunDir(run), experiment, load_shop(Experiment())[0], sale.broker_url)


def test_native_is_celery_as_it_is_shipped(queued: Config) -> None:
    conf = create_celery(load({**NEEDED, "SHOP_LIMITER": "native"})).conf
    assert (conf.worker_consumer, conf.worker_prefetch_multiplier) == ("celery.worker.consumer:Consumer", 4)
    assert conf.task_annotations["target.worker.tasks.place_order"]["rate_limit"] == "50.0/s"


def test_every_winner_is_confirmed_and_no_claim_is_left(
    queued: Config, prepare: Prepare, worker: Any, rows: Any, store: redis.Redis
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
    queued: Config, prepare: Prepare, worker: Any, rows: Any, blocked: Any, store: redis.Redis
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
    queued: Config, prepare: Prepare, worker: Any, rows: Any, blocked: Any
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
