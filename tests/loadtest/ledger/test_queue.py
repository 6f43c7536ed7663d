import contextlib
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace

import celery
import kombu
import pytest

from loadtest.ledger.queue import Depth, QueueReader, open_queue
from loadtest.manifest.shop import Queue
from loadtest.stack import Services
from tests.waiting import eventually


@pytest.fixture(params=["redis", "classic", "quorum"])
def app(request: pytest.FixtureRequest, services: Services) -> Iterator[celery.Celery]:
    """A Celery app with a queue of its own, on Redis and of each type on RabbitMQ."""
    app = celery.Celery(broker=services.broker if request.param == "redis" else request.getfixturevalue("rabbitmq"))
    app.conf.task_ignore_result = True
    app.conf.task_default_queue_type = "quorum" if request.param == "quorum" else "classic"
    app.conf.task_default_queue = f"test-{uuid.uuid4().hex}"
    yield app
    with app.connection_for_write() as connection:
        connection.default_channel.queue_delete(app.conf.task_default_queue)
    app.close()


def reader(app: celery.Celery, number: str = "args.0") -> QueueReader:
    return open_queue(Services("", "", app.conf.broker_url), Queue(name=app.conf.task_default_queue, number=number))


def look(app: celery.Celery, number: str = "args.0") -> tuple[Depth, list[tuple[str | None, str]]]:
    """Its depth, and its entries that the broker names."""
    with contextlib.closing(reader(app, number)) as queue:
        return queue.depth(), sorted(entry for entry in queue.entries() if entry[0])


def test_a_queue_that_nobody_declared_is_empty(app: celery.Celery) -> None:
    depth, entries = look(app)
    assert depth.total == 0
    assert entries == []


def test_waiting_orders_are_counted_and_named_and_stay(app: celery.Celery) -> None:
    for n in (1, 2):
        app.send_task("place_order", args=(f"s-{n}", "b"))
    for _ in range(2):  # looking takes nothing away
        eventually(lambda: look(app)[0].ready == 2)
        assert look(app)[1] == [("s-1", "ready"), ("s-2", "ready")]


def test_the_number_may_be_a_keyword_argument(app: celery.Celery) -> None:
    app.send_task("place_order", kwargs={"number": "s-7"})
    eventually(lambda: look(app, "kwargs.number")[0].ready == 1)
    assert look(app, "kwargs.number")[1] == [("s-7", "ready")]


def test_an_order_that_a_worker_holds_is_unacked(app: celery.Celery) -> None:
    app.send_task("place_order", args=("s-1", "b"))
    eventually(lambda: look(app)[0].ready == 1)
    with app.connection_for_read() as connection:
        queue = app.amqp.queues[app.conf.task_default_queue]
        message = queue.bind(connection.default_channel).get(no_ack=False)
        assert message is not None
        depth, entries = look(app)
        assert depth.ready == 0
        if app.conf.broker_url.startswith("redis"):
            assert depth.unacked == 1
            assert entries == [("s-1", "unacked")]
        else:
            assert depth.unacked is None, "AMQP does not tell"
            assert entries == []
        message.ack()


@pytest.fixture
def held(rabbitmq: str) -> Iterator[tuple[Services, Queue]]:
    """A queue of RabbitMQ of which somebody holds one message, and one is ready."""
    name = f"test-{uuid.uuid4().hex}"
    with kombu.Connection(rabbitmq) as connection, connection.channel() as channel:
        kombu.Queue(name, channel=channel).declare()
        for n in (1, 2):
            kombu.Producer(channel).publish([[f"s-{n}"], {}], routing_key=name)
        eventually(lambda: channel.queue_declare(name, passive=True).message_count == 2)
        assert channel.basic_get(name) is not None
        yield Services("", "", rabbitmq), Queue(name=name)
        channel.queue_delete(name)


def test_rabbitmq_says_late_how_many_are_held_and_not_which(
    held: tuple[Services, Queue], management: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    with contextlib.closing(open_queue(replace(held[0], broker_admin=management), held[1])) as queue:
        deadline = time.monotonic() + queue.late_s
        while queue.held() != 1:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert list(queue.entries()) == [("s-2", "ready"), (None, "unacked")]


def test_without_its_management_rabbitmqctl_is_asked(held: tuple[Services, Queue], closed_port: int) -> None:
    services = replace(held[0], broker_admin=f"http://127.0.0.1:{closed_port}")
    with contextlib.closing(open_queue(services, held[1])) as queue:
        assert queue.held() == 1


def test_what_cannot_be_learned_is_an_entry_that_says_so(
    held: tuple[Services, Queue], closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    services = replace(held[0], broker_admin=f"http://127.0.0.1:{closed_port}")
    with contextlib.closing(open_queue(services, held[1])) as queue:
        assert queue.held() is None
        assert list(queue.entries()) == [("s-2", "ready"), (None, "unknown")]


def test_that_nothing_is_held_is_told_too_late_to_count(rabbitmq: str) -> None:
    with contextlib.closing(open_queue(Services("", "", rabbitmq), Queue(name="nobody-made-it"))) as queue:
        assert list(queue.entries()) == [(None, "unknown")]
