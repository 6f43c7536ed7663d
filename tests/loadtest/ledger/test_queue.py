import contextlib
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace

import celery
import kombu
import pytest

from loadtest.ledger.connections import connect_redis
from loadtest.ledger.queue import Depth, QueueReader, open_queue
from loadtest.manifest.order_queue import Queue
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


@pytest.fixture
def redis_app(services: Services) -> Iterator[celery.Celery]:
    """A Celery app on Redis, whose tasks go where the test declares."""
    app = celery.Celery(broker=services.broker)
    app.conf.task_ignore_result = True
    app.conf.broker_transport_options = {"priority_steps": list(range(10))}
    yield app
    with connect_redis(services.broker) as client:
        client.flushdb()
    app.close()


def routed(exchange: str, kind: str, key: str, name: str) -> kombu.Queue:
    return kombu.Queue(name, kombu.Exchange(exchange, type=kind) if exchange else None, routing_key=key)


@pytest.mark.parametrize(
    ("exchange", "kind", "bound", "sent"),
    [
        ("", "direct", "q-1", "q-1"),
        ("shop", "direct", "place-an-order", "place-an-order"),
        ("shop", "direct", "q-2", "q-2"),
        ("events", "topic", "order.*.placed", "order.eu.placed"),
        ("events", "topic", "order.#", "order.eu.placed"),
        ("q-1", "direct", "q-1", "q-1"),
    ],
)
def test_an_order_that_a_worker_holds_is_named_by_whichever_way_it_came(
    redis_app: celery.Celery, exchange: str, kind: str, bound: str, sent: str
) -> None:
    """The other queue, which shares the broker's `unacked`, is bound beside it."""
    ours, other = routed(exchange, kind, bound, "q-1"), routed(exchange, kind, "elsewhere", "q-other")
    with redis_app.connection_for_write() as connection, connection.channel() as channel:
        for queue, key, number in ((ours, sent, "s-1"), (other, "elsewhere" if exchange else "q-other", "s-9")):
            queue(channel).declare()
            kombu.Producer(channel).publish([[number, "b"], {}, {}], exchange=exchange, routing_key=key)
            message = queue(channel).get(no_ack=False)
            assert message is not None
        with contextlib.closing(open_queue(Services("", "", redis_app.conf.broker_url), Queue(name="q-1"))) as reading:
            assert reading.depth() == Depth(0, 2)
            assert list(reading.entries()) == [("s-1", "unacked")]


def test_orders_of_every_priority_are_counted_and_named(redis_app: celery.Celery) -> None:
    for priority in range(10):
        redis_app.send_task("place_order", args=(f"s-{priority}", "b"), queue="q-1", priority=priority)
    with contextlib.closing(open_queue(Services("", "", redis_app.conf.broker_url), Queue(name="q-1"))) as reading:
        assert reading.depth() == Depth(10, 0)
        assert sorted(reading.entries()) == [(f"s-{priority}", "ready") for priority in range(10)]


@pytest.mark.parametrize("how", [{"task_protocol": 1}, {"task_compression": "gzip"}, {"task_compression": "bzip2"}])
def test_the_number_is_found_in_either_protocol_and_compressed(app: celery.Celery, how: dict[str, object]) -> None:
    app.conf.update(how)
    app.send_task("place_order", args=("s-1", "b"))
    eventually(lambda: look(app)[0].ready == 1)
    assert look(app)[1] == [("s-1", "ready")]


def test_a_message_that_is_no_order_hides_no_order(app: celery.Celery) -> None:
    with app.connection_for_write() as connection, connection.channel() as channel:
        producer = kombu.Producer(channel)
        name = app.conf.task_default_queue
        queue = app.amqp.queues[name].bind(channel)
        queue.declare()
        for body, form in (
            ("not JSON", "text/plain"),
            (b"\x80\x04N.", "application/x-python-serialize"),
            ("7", "application/json"),
        ):
            producer.publish(
                body,
                exchange=queue.exchange,
                routing_key=queue.routing_key,
                content_type=form,
                content_encoding="utf-8",
            )
    app.send_task("another_task")
    app.send_task("place_order", args=("s-1", "b"))
    eventually(lambda: look(app)[0].ready == 5)
    with contextlib.closing(reader(app)) as reading:
        entries = [number for number, state in reading.entries() if state == "ready"]
    assert sorted(entries, key=str) == [None, None, None, None, "s-1"]
