"""RabbitMQ: user and vhost made where they are not there, and a queue of either type that sells a whole sale."""

import json
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import amqp
import kombu
import pytest

from target.config import Config, QueueType
from target.errors import NoRoom
from target.queue import rabbitmq as room
from target.queue.backlog import purge
from target.queue.celery import QUEUE, create_celery
from target.queue.dispatch import open_producer
from target.queue.rabbitmq import make_room
from tests.waiting import eventually


def rabbitmqctl(*arguments: str) -> str:
    done = subprocess.run(
        ["rabbitmqctl", "-q", *arguments], capture_output=True, text=True, check=False, encoding="utf-8"
    )
    return done.stdout + done.stderr


@pytest.fixture
def strange(config: Config, rabbitmq: str) -> Iterator[Config]:
    """A shop whose user and vhost RabbitMQ does not know."""
    name, address = f"t{uuid4().hex[:8]}", urlsplit(rabbitmq).netloc.rpartition("@")[2]
    yield replace(config, broker_url=f"amqp://{name}:p%40ss@{address}/{name}%2Fv")
    rabbitmqctl("delete_user", name)
    rabbitmqctl("delete_vhost", f"{name}/v")


def lets_in(url: str) -> bool:
    try:
        with kombu.Connection(url) as connection:
            connection.ensure_connection(max_retries=1)
    except (amqp.AccessRefused, amqp.NotAllowed):
        return False
    return True


@pytest.mark.parametrize("way", ["management", "rabbitmqctl"])
def test_user_and_vhost_are_made_once(
    way: str, strange: Config, management: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if way == "management":
        strange = replace(strange, rabbitmq_admin_url=management)
        monkeypatch.setattr(room, "Control", None)
    make_room(strange)
    assert lets_in(strange.broker_url)
    make_room(strange)
    parts = urlsplit(strange.broker_url)
    url = f"http://127.0.0.1:15672/api/queues/{parts.path[1:]}"
    login = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    login.add_password(None, url, str(parts.username), "p@ss")
    ask = urllib.request.build_opener(urllib.request.HTTPBasicAuthHandler(login))
    assert json.load(ask.open(url)) == [], "the user may read the statistics of its queues"


def test_a_user_that_is_there_keeps_its_password(strange: Config, management: str) -> None:
    make_room(replace(strange, rabbitmq_admin_url=management))
    wrong = strange.broker_url.replace("p%40ss", "wrong")
    for admin in (management, ""):
        with pytest.raises(NoRoom, match="which were just made: ") as error:
            make_room(replace(strange, broker_url=wrong, rabbitmq_admin_url=admin))
        assert "wrong" not in str(error.value)
    assert lets_in(strange.broker_url)


def test_where_nobody_may_make_them_it_says_what_to_give(strange: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(NoRoom, match="set SHOP_RABBITMQ_ADMIN_URL to http://user:password@host:15672") as error:
        make_room(strange)
    assert "p@ss" not in str(error.value)


def test_a_management_that_refuses_is_named_without_its_password(strange: Config, management: str) -> None:
    with pytest.raises(NoRoom, match=r"SHOP_RABBITMQ_ADMIN_URL: http://127.0.0.1:15672/api/vhosts/.*401") as error:
        make_room(replace(strange, rabbitmq_admin_url=management.replace(":guest@", ":geheim@")))
    assert "geheim" not in str(error.value)


@pytest.fixture
def on_rabbitmq(queued: Config, rabbitmq: str) -> Callable[[QueueType], Config]:
    """The sale on a queue of that type."""
    return lambda kind: replace(queued, broker_url=rabbitmq, queue_type=kind)


def ready(config: Config) -> int:
    with create_celery(config).connection_for_read() as connection:
        return int(connection.default_channel.queue_declare(QUEUE, passive=True).message_count)


@pytest.mark.parametrize("kind", ["classic", "quorum"])
def test_a_sale_that_begins_anew_finds_its_queue_empty_whatever_it_was(kind: QueueType, on_rabbitmq: Any) -> None:
    other = on_rabbitmq("classic" if kind == "quorum" else "quorum")
    for config in (other, on_rabbitmq(kind)):
        purge(config)
        celery = create_celery(config)
        producer = open_producer(celery, 2.0)
        celery.send_task("target.worker.tasks.place_order", ("n", "b"), producer=producer)
        eventually(lambda config=config: ready(config) == 1, 5)
        producer.connection.release()
    listed = rabbitmqctl("list_queues", "-p", urlsplit(config.broker_url).path[1:], "name", "type", "durable")
    assert f"{QUEUE}\t{kind}\ttrue" in listed.splitlines()


def test_orders_are_placed_and_a_worker_takes_no_more_than_it_can_place(
    on_rabbitmq: Any, prepare: Any, worker: Any, rows: Any
) -> None:
    sale = prepare(replace(on_rabbitmq("quorum"), limiter="flat", rate_per_s=4.0, ack="early", stock=8))
    celery = create_celery(sale)
    producer = open_producer(celery, 2.0)
    for unit in range(1, 9):
        celery.send_task("target.worker.tasks.place_order", (sale.number(unit), f"b-{unit}"), producer=producer)
    producer.connection.release()
    with worker(sale):
        eventually(lambda: len(rows.all()) >= 1, 20)
        assert ready(sale) + len(rows.all()) >= 4, "two children hold one each, and may be placing another"
        eventually(lambda: len(rows.all()) == 8, 20)


def test_an_order_may_go_back_to_a_quorum_queue_more_often_than_rabbitmq_4_lets_it(on_rabbitmq: Any) -> None:
    sale = on_rabbitmq("quorum")
    purge(sale)
    with create_celery(sale).connection_for_write() as connection:
        channel = connection.default_channel
        kombu.Producer(channel).publish({}, routing_key=QUEUE, exchange=QUEUE)
        for _ in range(25):
            eventually(lambda: ready(sale) == 1, 5)
            channel.basic_reject(channel.basic_get(QUEUE).delivery_tag, requeue=True)
        eventually(lambda: ready(sale) == 1, 5)
