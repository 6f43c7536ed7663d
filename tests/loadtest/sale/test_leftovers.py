import json
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import kombu
import pytest
import redis
from celery import Celery

from loadtest.errors import UsageError
from loadtest.experiment.schema import Experiment
from loadtest.ledger.queue import open_queue
from loadtest.manifest.loading import load_shop
from loadtest.manifest.shop import Shop
from loadtest.sale import leftovers
from loadtest.sale.leftovers import Leftovers, starts_workers
from loadtest.stack import Services
from loadtest.stack.process import Command, Supervisor

QUEUED = Experiment(dispatch="queued")
WORKER = """
import sys
from celery import Celery
from celery.signals import worker_ready
app = Celery("foreign", broker=sys.argv.pop(1))
worker_ready.connect(lambda **_: print("takes messages", flush=True), weak=False)
app.worker_main(["worker", "-P", "solo", "-n", "theirs@%h", *sys.argv[1:]])
"""


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes away by itself goes away soon here."""
    monkeypatch.setattr(leftovers, "SETTLES_S", 0.5)


@pytest.fixture(params=["redis", "rabbitmq"])
def broker(request: pytest.FixtureRequest) -> Iterator[str]:
    """A broker with a queue that nobody else uses."""
    if request.param == "rabbitmq":
        url: str = request.getfixturevalue("rabbitmq")
        with kombu.Connection(url) as connection:
            connection.default_channel.queue_delete("orders")  # of another test, and perhaps of another type
            connection.default_channel.queue_declare("orders", durable=True, auto_delete=False)
            yield url
            connection.default_channel.queue_delete("orders")
    else:
        services: Services = request.getfixturevalue("services")
        url = services.broker.rpartition("/")[0] + "/8"
        with redis.Redis.from_url(url) as client:
            client.flushdb()
            yield url
            client.flushdb()


def manifest(**more: Any) -> Shop:
    honest, _ = load_shop(Experiment())
    return Shop.model_validate(honest.model_dump(exclude_unset=True) | more)


def look(broker: str, shop: Shop) -> None:
    services = Services("-", "-", broker)
    assert shop.queue is not None
    with closing(open_queue(services, shop.queue)) as queue:
        Leftovers(QUEUED, shop, broker, queue).before()


def said(broker: str, shop: Shop) -> str:
    with pytest.raises(UsageError) as error:
        look(broker, shop)
    assert "\n" not in str(error.value)
    return str(error.value)


def send(broker: str, *numbers: str) -> None:
    with Celery(broker=broker, set_as_current=False) as app:
        for number in numbers:
            app.send_task("target.worker.tasks.place_order", args=[number], queue="orders")


def test_other_tasks_in_the_queue_are_no_orders_that_were_left(broker: str) -> None:
    with Celery(broker=broker, set_as_current=False) as app:
        app.send_task("mail", args=["b-1"], queue="orders")
    look(broker, manifest())


@contextmanager
def foreign_worker(broker: str, tmp_path: Path, *arguments: str) -> Iterator[None]:
    with Supervisor(tmp_path / "foreign") as supervisor:
        process = supervisor.start(Command("worker", "theirs", [sys.executable, "-c", WORKER, broker, *arguments]))
        process.wait_ready(lambda: process.log_contains("takes messages"), 30)
        yield


def test_an_empty_queue_that_nobody_takes_from_is_fine(broker: str) -> None:
    look(broker, manifest())


def test_messages_of_an_earlier_sale_are_named_and_refused(broker: str) -> None:
    send(broker, "sale-000003", "sale-000004", "sale-000005", "sale-000006")
    text = said(broker, manifest())
    assert text.startswith("the queue 'orders' on ")
    assert "found 4 (such as sale-00000" in text
    assert "empty it, or have [prepare] empty it" in text
    assert "before the sale" in said(broker, manifest(prepare=()))


def test_what_a_dead_worker_held_on_redis_is_counted_and_what_other_queues_hold_is_not(services: Services) -> None:
    url = services.broker.rpartition("/")[0] + "/8"
    message = {"body": json.dumps([["sale-000007"], {}, {}]), "properties": {}}
    with redis.Redis.from_url(url) as client:
        client.flushdb()
        client.hset("unacked", "a", json.dumps([message, "other", "other"]))
        look(url, manifest())
        client.hset("unacked", "b", json.dumps([message, "orders", "orders"]))
        assert "found 1 (such as sale-000007)" in said(url, manifest())
        client.flushdb()


def test_messages_that_nobody_can_read_are_counted(services: Services) -> None:
    url = services.broker.rpartition("/")[0] + "/8"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
        client.rpush("orders", "no JSON", "[]")
        assert "found 2, which the manifest's [queue] cannot read" in said(url, manifest())
        client.flushdb()


def test_somebody_elses_worker_is_refused_where_the_manifest_starts_the_workers(broker: str, tmp_path: Path) -> None:
    with foreign_worker(broker, tmp_path, "-Q", "orders"):
        assert "expected nobody to take from it" in said(broker, manifest())
        look(broker, manifest(process=[]))  # a shop that runs by itself has its own workers
    look(broker, manifest())


def test_a_worker_of_another_queue_is_nobodys_business(broker: str, tmp_path: Path) -> None:
    with foreign_worker(broker, tmp_path, "-Q", "mails"):
        look(broker, manifest())


@pytest.mark.parametrize(
    ("process", "expected"),
    [
        ({"role": "celery", "command": ["c"], "when": "queued"}, True),
        ({"role": "my_worker", "command": ["c"]}, True),
        ({"role": "worker", "command": ["c"], "when": "inline"}, False),
        ({"role": "api", "command": ["c"]}, False),
    ],
)
def test_whose_the_workers_are(process: dict[str, Any], expected: bool) -> None:
    assert starts_workers(QUEUED, manifest(process=[process])) is expected
