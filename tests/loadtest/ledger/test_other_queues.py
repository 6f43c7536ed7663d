"""Queues that are not Celery's, and tasks that are no orders."""

import contextlib
import json
import sys
import uuid
from collections.abc import Iterator
from typing import Any

import celery
import kombu
import pytest
import redis

from loadtest.errors import UsageError
from loadtest.experiment.schema import Experiment
from loadtest.ledger import queue as kinds
from loadtest.ledger.queue import Depth, QueueReader, open_queue, ours_among
from loadtest.manifest.loading import load_shop
from loadtest.manifest.order_queue import Queue
from loadtest.manifest.shop import Shop
from loadtest.sale import leftovers
from loadtest.stack import Services
from loadtest.stack.process import Command, Supervisor
from loadtest.stack.whereabouts import Whereabouts
from tests.waiting import eventually


@pytest.fixture
def client(services: Services) -> Iterator["redis.Redis"]:
    """The shop's Redis, empty."""
    with redis.Redis.from_url(services.redis, decode_responses=True) as client:
        client.flushdb()
        yield client
        client.flushdb()


@contextlib.contextmanager
def reading(services: Services, **queue: Any) -> Iterator[QueueReader]:
    whereabouts = Whereabouts(services, {"python": sys.executable}, {})
    with contextlib.closing(open_queue(services, Queue.model_validate(queue), whereabouts)) as reader:
        reader.check()
        yield reader


@pytest.mark.parametrize(
    ("entry", "place", "number"),
    [
        ('{"orderId": "o-1"}', "json:orderId", "o-1"),
        ('{"order": {"ids": [7]}}', "order.ids.0", "7"),
        ('{"payload": "{\\"id\\": 7205759403792793601}"}', "json:payload.id", "7205759403792793601"),
        ("order o-1 of b-1", r"regex:order (\S+)", "o-1"),
        ("o-1", "regex:.*", "o-1"),
        ('{"orderId": null}', "json:orderId", None),
        ('{"orderId": {}}', "json:orderId", None),
        ("no JSON", "json:orderId", None),
        ('{"orderId": "o-1"}', None, None),
    ],
)
def test_a_list_tells_its_entries(
    services: Services, client: "redis.Redis", entry: str, place: str | None, number: str | None
) -> None:
    with reading(services, kind="redis_list", name="orders", number=place) as queue:
        assert (queue.depth(), list(queue.entries())) == (Depth(0, 0), [])
        client.lpush("orders", entry)
        assert (queue.depth(), list(queue.entries())) == (Depth(1, 0), [(number, "ready")])
        assert (queue.held(), queue.unheard()) == (0, "")


def test_what_does_not_name_the_task_is_no_order(services: Services, client: "redis.Redis") -> None:
    for n in range(3):
        client.lpush("orders", json.dumps({"type": "place", "id": n}), json.dumps({"type": "mail", "id": 9}))
    with reading(services, kind="redis_list", name="orders", number="json:id", task='"place"') as queue:
        assert queue.depth() == Depth(3, 0)
        assert sorted(queue.entries()) == [("0", "ready"), ("1", "ready"), ("2", "ready")]


@pytest.mark.parametrize(
    ("kind", "hint"),
    [("redis_list", "expected a Redis list, found a hash"), ("redis_stream", "expected a Redis stream, found a hash")],
)
def test_a_key_of_another_type_is_refused(services: Services, client: "redis.Redis", kind: str, hint: str) -> None:
    client.hset("orders", "a", "b")
    with pytest.raises(UsageError, match=f"queue.name = 'orders': {hint}"), reading(services, kind=kind, name="orders"):
        pass


def test_a_stream_tells_what_its_group_has_not_done(services: Services, client: "redis.Redis") -> None:
    with reading(services, kind="redis_stream", name="orders", number="json:id") as queue:
        assert (queue.depth(), list(queue.entries())) == (Depth(0, 0), [])
        for n in range(1, 6):
            client.xadd("orders", {"id": f"o-{n}", "buyer": "b"})
        assert queue.depth() == Depth(5, 0), "nobody has begun to read"
        client.xgroup_create("orders", "workers", "0")
        assert queue.depth() == Depth(5, 0)
        ((_, given),) = client.xreadgroup("workers", "one", {"orders": ">"}, count=3)
        assert queue.depth() == Depth(2, 3)
        client.xack("orders", "workers", given[0][0])
        assert (queue.depth(), queue.held()) == (Depth(2, 2), 2)
        assert list(queue.entries()) == [
            ("o-2", "unacked"), ("o-3", "unacked"), ("o-4", "ready"), ("o-5", "ready"),
        ]  # fmt: skip
        client.xdel("orders", given[1][0])
        assert (None, "unacked") in list(queue.entries()), "who holds a deleted entry still holds it"


def test_of_several_groups_the_one_that_is_named_counts(services: Services, client: "redis.Redis") -> None:
    client.xadd("orders", {"id": "o-1"})
    for group in ("workers", "mails"):
        client.xgroup_create("orders", group, "0")
    ((_, given),) = client.xreadgroup("workers", "one", {"orders": ">"})
    client.xack("orders", "workers", given[0][0])
    with reading(services, kind="redis_stream", name="orders", task="workers") as queue:
        assert (queue.depth(), list(queue.entries()), queue.unheard()) == (Depth(0, 0), [], "")
    with reading(services, kind="redis_stream", name="orders") as queue:
        assert queue.depth() == Depth(1, 0)
    with reading(services, kind="redis_stream", name="orders", task="worker") as queue:
        assert queue.unheard() == "queue.task = 'worker': the stream has no such group; nearest valid: 'workers'"


def job(client: "redis.Redis", number: int, state: str, name: str = "place", key: str = "bull:orders") -> None:
    """As BullMQ 6.7 writes it."""
    fields = {
        "name": name, "data": json.dumps({"orderId": f"o-{number}", "buyer": "b-1"}), "opts": '{"attempts":0}',
        "timestamp": "1795749535559", "delay": "0", "priority": "0",
    }  # fmt: skip
    client.hset(f"{key}:{number}", mapping=fields)
    client.hset(f"{key}:meta", mapping={"opts.maxLenEvents": "10000", "version": "bullmq:6.7.0"})
    client.zadd(f"{key}:marker", {"0": 0})
    if state in ("wait", "active", "paused"):
        client.lpush(f"{key}:{state}", str(number))
    else:
        client.zadd(f"{key}:{state}", {str(number): 12884901889})


STATES = ("wait", "paused", "prioritized", "delayed", "active", "completed", "failed")


@pytest.mark.parametrize(("name", "key"), [("orders", "bull:orders"), ("shop:orders", "shop:orders")])
def test_bullmq_tells_its_jobs_in_every_state(services: Services, client: "redis.Redis", name: str, key: str) -> None:
    for number, state in enumerate(STATES, 1):
        job(client, number, state, key=key)
    with reading(services, kind="bullmq", name=name, number="json:orderId") as queue:
        assert (queue.depth(), queue.held()) == (Depth(4, 1), 1)
        assert sorted(queue.entries()) == [
            ("o-1", "ready"), ("o-2", "ready"), ("o-3", "ready"), ("o-4", "scheduled"), ("o-5", "unacked"),
        ]  # fmt: skip
        assert queue.unheard() == ""


def test_jobs_of_another_name_are_no_orders(services: Services, client: "redis.Redis") -> None:
    job(client, 1, "wait")
    job(client, 2, "wait", "mail")
    job(client, 3, "delayed", "cancel if unpaid")
    job(client, 4, "active", "mail")
    client.rpush("bull:orders:wait", "0:1795749595598")  # what wakes up idle workers of BullMQ 4
    with reading(services, kind="bullmq", name="orders", number="json:orderId", task="place") as queue:
        assert (queue.depth(), list(queue.entries())) == (Depth(1, 0), [("o-1", "ready")])
    with reading(services, kind="bullmq", name="orders") as queue:
        assert queue.depth() == Depth(3, 1)


def test_a_bullmq_queue_that_is_not_there_is_told_with_those_that_are(
    services: Services, client: "redis.Redis"
) -> None:
    with reading(services, kind="bullmq", name="ordrs") as queue:
        assert (
            queue.unheard()
            == "queue.name = 'ordrs': expected a queue of BullMQ with that name, found none; mend its name"
        )
        job(client, 1, "wait")
        assert "found orders; say which of these has the orders" in queue.unheard()
        assert queue.depth() == Depth(0, 0)


def test_a_command_counts(services: Services) -> None:
    with reading(services, kind="command", command=["{python}", "-c", "print(3)"]) as queue:
        assert (queue.depth(), list(queue.entries())) == (Depth(3, 0), [(None, "ready")] * 3)
    with (
        pytest.raises(UsageError, match=r"\[queue\] command: expected one number, found nothing"),
        reading(services, kind="command", command=["{python}", "-c", ""]),
    ):
        pass


def test_plain_messages_of_rabbitmq_tell_their_numbers(rabbitmq: str, services: Services) -> None:
    name = f"test-{uuid.uuid4().hex}"
    told = Services(services.postgres, services.redis, rabbitmq)
    with reading(told, kind="rabbitmq", name=name, number="json:id") as queue:
        assert f"queue.name = {name!r}: there is no such queue on amqp://guest:***@" in queue.unheard()
        with kombu.Connection(rabbitmq) as connection, connection.channel() as channel:
            kombu.Queue(name, channel=channel).declare()
            try:
                for body in ({"id": 7}, "no JSON"):
                    kombu.Producer(channel).publish(body, routing_key=name)
                eventually(lambda: queue.depth() == Depth(2, None))
                assert list(queue.entries())[:2] == [("7", "ready"), (None, "ready")]
                assert queue.depth() == Depth(2, None), "they stay"
                assert queue.unheard() == ""
            finally:
                channel.queue_delete(name)


@pytest.mark.parametrize("protocol", [1, 2])
@pytest.mark.parametrize("broker", ["redis", "rabbitmq"])
def test_celerys_tasks_of_another_name_do_not_count(
    services: Services, request: pytest.FixtureRequest, broker: str, protocol: int
) -> None:
    url = services.broker if broker == "redis" else str(request.getfixturevalue("rabbitmq"))
    app = celery.Celery(broker=url, set_as_current=False)
    app.conf.update(
        task_protocol=protocol, task_default_queue=f"test-{uuid.uuid4().hex}", task_default_queue_type="classic"
    )
    for n in range(3):
        app.send_task("shop.place", args=(f"s-{n}", "b"))
        app.send_task("shop.mail", args=(f"m-{n}",))
        app.send_task("shop.cancel", kwargs={"order": n}, countdown=900)
    told = Services("", services.redis, url)
    name = app.conf.task_default_queue
    try:
        with reading(told, name=name, task="shop.place") as queue:
            eventually(lambda: queue.depth().ready == (3 if broker == "redis" else 9))
            found = [entry for entry in queue.entries() if entry[0]]
            assert sorted(found) == [("s-0", "ready"), ("s-1", "ready"), ("s-2", "ready")]
    finally:
        with app.connection_for_write() as connection:
            connection.default_channel.queue_delete(name)
        app.close()


WORKER = """
import sys
from celery import Celery
from celery.signals import worker_ready
app = Celery("later", broker=sys.argv[1])
app.conf.update(worker_prefetch_multiplier=0, task_default_queue=sys.argv[2], task_default_queue_type="classic")
@app.task(name="shop.cancel")
def cancel(order):
    pass
worker_ready.connect(lambda **_: print("takes messages", flush=True), weak=False)
app.worker_main(["worker", "-P", "threads", "-c", "2", "-n", "later@%h", "--without-gossip", "--without-mingle"])
"""


@pytest.mark.parametrize("broker", ["redis", "rabbitmq"])
def test_what_workers_keep_for_later_is_no_order_on_its_way(
    services: Services, request: pytest.FixtureRequest, tmp_path: Any, broker: str
) -> None:
    """A task with a countdown is held unacknowledged until it is due: a queue with such never looks empty."""
    url = services.broker if broker == "redis" else str(request.getfixturevalue("rabbitmq"))
    if broker == "rabbitmq":
        request.getfixturevalue("management")
    name = f"test-{uuid.uuid4().hex}"
    told = Services("", services.redis, url)
    with celery.Celery(broker=url, set_as_current=False) as app, Supervisor(tmp_path) as supervisor:
        app.conf.update(task_default_queue=name, task_default_queue_type="classic")
        worker = supervisor.start(Command("worker", "worker", [sys.executable, "-c", WORKER, url, name]))
        worker.wait_ready(lambda: worker.log_contains("takes messages"), 30)
        for n in range(3):
            app.send_task("shop.cancel", args=(n,), countdown=900)
        with reading(told, name=name, task="shop.place") as queue, reading(told, name=name) as everything:
            eventually(lambda: everything.held() == 3, 20)
            assert queue.held() == 0
            assert queue.depth().total == 0
            assert queue.unheard() == ""
        with reading(told, name=f"{name}-other") as other:
            assert f"queue.name = '{name}-other': " in other.unheard()
        supervisor.stop(worker)
        with app.connection_for_write() as connection:
            connection.default_channel.queue_delete(name)


def test_of_a_long_queue_both_ends_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinds, "LOOKED_AT", 10)
    entries = ["ours"] * 60 + ["other"] * 40

    def peek(first: int, last: int) -> list[str]:
        return entries[first : None if last == -1 else last + 1]

    assert ours_among(100, peek, lambda entry: entry == "ours") == 50
    entries = entries[55:65]
    assert ours_among(10, peek, lambda entry: entry == "ours") == 5
    assert ours_among(0, peek, bool) == 0


def test_what_a_command_counts_before_the_sale_is_refused(services: Services) -> None:
    honest, _ = load_shop(Experiment())
    queue = {"kind": "command", "command": ["echo", "2"]}
    shop = Shop.model_validate(honest.model_dump(exclude_unset=True, by_alias=True) | {"queue": queue})
    with reading(services, **queue) as reader, pytest.MonkeyPatch.context() as patch:
        patch.setattr(leftovers, "SETTLES_S", 0.2)
        with pytest.raises(
            UsageError, match=r"command counts: expected no messages after prepare, found 2, which would be"
        ):
            leftovers.Leftovers(Experiment(dispatch="queued"), shop, services.broker, reader).before()


@pytest.mark.parametrize("scheme", ["redis_list", "redis_stream", "bullmq"])
def test_an_order_that_is_left_in_any_queue_is_refused(services: Services, client: "redis.Redis", scheme: str) -> None:
    honest, _ = load_shop(Experiment())
    queue = {"kind": scheme, "name": "orders", "number": "json:orderId"}
    shop = Shop.model_validate(honest.model_dump(exclude_unset=True, by_alias=True) | {"queue": queue})
    with reading(services, **queue) as reader, pytest.MonkeyPatch.context() as patch:
        patch.setattr(leftovers, "SETTLES_S", 0.2)
        looking = leftovers.Leftovers(Experiment(dispatch="queued"), shop, services.broker, reader)
        looking.before()
        if scheme == "redis_list":
            client.lpush("orders", '{"orderId": "o-1"}')
        elif scheme == "redis_stream":
            client.xadd("orders", {"orderId": "o-1"})
        else:
            job(client, 1, "wait")
        with pytest.raises(
            UsageError, match=r"expected no messages after prepare, found 1 \(such as o-1\), .* empty it"
        ):
            looking.before()
