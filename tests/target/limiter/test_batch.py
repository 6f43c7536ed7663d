"""Batches in workers, as the manifest starts them: what they leave is what one by one leaves, also when somebody is killed."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import redis
import sqlalchemy as sa
from celery.exceptions import Reject, TaskRevokedError

from target.config import Config
from target.limiter.batch import Batch
from target.queue.dispatch import Queued
from target.stores.claims import Claim, Keys
from target.worker.tasks import place_together
from tests.stalls import Stalls
from tests.target.queue.test_celery import most_in_1s, overall
from tests.waiting import eventually

Prepare = Callable[[Config], Config]


class Request:
    """What Celery's request is to a batch."""

    def __init__(self, name: str, revoked: bool = False) -> None:
        self.args, self.kwargs, self.said = [name], {}, []
        self.revoked = lambda: revoked
        self.on_accepted = lambda pid, at_s: self.said.append(("accepted", pid, at_s))
        self.on_success = lambda result: self.said.append(("success", result[0]))
        self.on_failure = lambda info: self.said.append(("failure", info.exception.exc))


class Pool:
    """Keeps the one job it is given."""

    def apply_async(self, _: Any, args: Any, **callbacks: Any) -> None:
        self.args, self.call = args, SimpleNamespace(**callbacks)


def test_each_order_of_a_batch_ends_by_itself() -> None:
    requests, pool = [Request(name) for name in "abc"], Pool()
    Batch(requests, place_together).execute_using_pool(pool)
    assert pool.args == ([(["a"], {}), (["b"], {}), (["c"], {})],)
    pool.call.accept_callback(7, 1.5)
    back, wrong = Reject("away", requeue=True), RuntimeError("no order")
    pool.call.callback([None, back, wrong])
    assert [request.said[0] for request in requests] == [("accepted", 7, 1.5)] * 3
    assert [request.said[1] for request in requests] == [("success", 0), ("failure", back), ("failure", wrong)]


def test_a_revoked_order_is_left_out_and_a_batch_of_them_is_none() -> None:
    requests, pool = [Request("a"), Request("b", revoked=True)], Pool()
    Batch(requests, place_together).execute_using_pool(pool)
    assert pool.args == ([(["a"], {})],)
    with pytest.raises(TaskRevokedError):
        Batch(requests[1:], place_together).execute_using_pool(pool)


def enqueue(config: Config, *orders: Claim) -> None:
    """These orders, in this order."""

    async def run() -> None:
        dispatch = Queued(config)
        try:
            for order in orders:
                await dispatch.send(order)
        finally:
            await dispatch.close()

    asyncio.run(run())


def orders_of(config: Config, *units: int) -> list[Claim]:
    return [Claim(config.number(n), f"b-{n}") for n in units]


def commits(engine: sa.Engine, config: Config) -> int:
    """How many transactions the rows were written by."""
    query = sa.text("SELECT count(DISTINCT xmin::text) FROM orders WHERE sale = :sale")
    with engine.connect() as connection:
        return int(connection.scalar(query, {"sale": config.sale}) or 0)


@pytest.mark.parametrize(
    ("pool", "kind"), [("prefork", "none"), ("threads", "flat"), ("gevent", "shared"), ("solo", "flat")]
)
def test_every_pool_places_batches_with_a_bad_and_a_redelivered_order_in_them(
    queued: Config, prepare: Prepare, worker: Any, rows: Any, store: redis.Redis, engine: sa.Engine,
    pool: str, kind: Any,
) -> None:  # fmt: skip
    sale = prepare(replace(queued, batch=10, prefetch=10, limiter=kind, rate_per_s=200.0, burst=17))
    keys = Keys.of(sale.sale)
    bad = Claim(f"{sale.sale}-000021", "b-x")
    enqueue(sale, *orders_of(sale, 1, 2, 3), bad, *orders_of(sale, 4, 5, 2), *orders_of(sale, *range(6, 21)))
    with worker(sale, pool=pool, concurrency=1, gathering=True):
        eventually(lambda: store.hlen(keys.confirmed) == 20, 10)
        eventually(lambda: store.get(keys.near_misses) == "2", 5)
        eventually(lambda: left(sale) == 0, 5)
    assert rows.all() == [(order.number, order.buyer) for order in orders_of(sale, *range(1, 21))]
    assert store.hgetall(keys.rejected) == {bad.number: "b-x"}
    # The first batch had a bad one and was written one by one, 8 rows of it; 12 came in two batches more.
    assert commits(engine, sale) == 8 + 2


def left(config: Config) -> int:
    """Orders that the broker has, or keeps for a worker."""
    with redis.Redis.from_url(config.broker_url) as broker:
        return int(broker.llen("orders")) + int(broker.hlen("unacked"))


@pytest.fixture
def blocked(engine: sa.Engine) -> Any:
    """Holds a row uncommitted, so that the batch with it in it waits in the database."""

    class Blocked:
        def hold(self, config: Config, unit: int) -> None:
            self.connection = engine.execution_options(isolation_level="READ COMMITTED").connect()
            row = {"number": config.number(unit), "sale": config.sale, "stock": config.stock}
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


@pytest.mark.parametrize("ack", ["late", "early"])
def test_a_killed_child_loses_a_batch_only_if_it_was_acknowledged_before_it_was_committed(
    queued: Config, prepare: Prepare, worker: Any, rows: Any, blocked: Any, store: redis.Redis,
    engine: sa.Engine, ack: Any,
) -> None:  # fmt: skip
    sale = prepare(replace(queued, batch=5, prefetch=5, visibility_s=600.0, ack=ack))
    batch = orders_of(sale, 1, 2, 3, 4, 5)
    blocked.hold(sale, 3)
    enqueue(sale, *batch)
    with worker(sale, concurrency=1, gathering=True) as process:
        eventually(blocked.somebody_waits, 10)
        child = psutil.Process(process.pid).children()[0]
        child.kill()
        end_statements(engine)
        blocked.release()
        if ack == "late":
            eventually(lambda: store.hlen(Keys.of(sale.sale).confirmed) == 5, 20)
            eventually(lambda: left(sale) == 0, 5)
        else:
            eventually(lambda: left(sale) == 0, 5)
            time.sleep(1)
    assert rows.all() == ([(order.number, order.buyer) for order in batch] if ack == "late" else [])


def end_statements(engine: sa.Engine) -> None:
    """What a killed client has asked goes on in the database, and would be committed: end it."""
    query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = 'shop'"
    with engine.connect() as connection:
        assert list(connection.scalars(sa.text(query))) == [True]


def test_a_batch_in_a_killed_worker_is_placed_by_another_though_part_of_it_stands(
    queued: Config, prepare: Prepare, worker: Any, rows: Any, blocked: Any, store: redis.Redis
) -> None:
    sale = prepare(replace(queued, batch=5, prefetch=5, visibility_s=2.0))
    batch = orders_of(sale, 1, 2, 3, 4, 5)
    blocked.hold(sale, 3)
    enqueue(sale, *batch)
    with worker(sale, "first", concurrency=1, gathering=True) as process:
        eventually(blocked.somebody_waits, 10)
        os.killpg(process.pid, signal.SIGKILL)
    blocked.release()  # and what the killed one has asked is committed, without its claims being ended
    eventually(lambda: len(rows.all()) == 5, 5)
    with worker(sale, "second", concurrency=1):
        eventually(lambda: store.hlen(Keys.of(sale.sale).confirmed) == 5, 20)
    assert store.get(Keys.of(sale.sale).near_misses) == "5"
    assert rows.all() == [(order.number, order.buyer) for order in batch]


@pytest.mark.alone
@pytest.mark.parametrize("kind", ["flat", "shared"])
def test_the_rate_is_held_and_counts_orders(
    queued: Config, prepare: Prepare, worker: Any, rows: Any, engine: sa.Engine, stalls: Stalls, kind: Any
) -> None:
    sale = prepare(replace(queued, stock=500, batch=10, prefetch=10, limiter=kind, rate_per_s=200.0, burst=17))
    enqueue(sale, *orders_of(sale, *range(1, 501)))
    with worker(sale):
        eventually(lambda: len(rows.all()) == 500, 10)
    times = rows.times()
    assert 0.95 * 200 <= stalls.rate(times, first=10)
    assert overall(times, first=10) <= 1.02 * 200
    assert most_in_1s(times) <= 200 + 17
    assert commits(engine, sale) <= 60
