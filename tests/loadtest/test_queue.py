import contextlib
import time
import uuid
from collections.abc import Callable, Iterator

import celery
import kombu
import pytest

from loadtest.queue import Depth, open_queue
from loadtest.shop import Queue
from loadtest.stack import Services


@pytest.fixture(params=["redis", "rabbitmq"])
def broker(request: pytest.FixtureRequest, services: Services) -> str:
    """Each broker in turn."""
    return services.broker if request.param == "redis" else str(request.getfixturevalue("rabbitmq"))


@pytest.fixture
def app(broker: str) -> Iterator[celery.Celery]:
    """A Celery app with a queue of its own on that broker."""
    app = celery.Celery(broker=broker)
    app.conf.task_ignore_result = True
    app.conf.task_default_queue = f"test-{uuid.uuid4().hex}"
    yield app
    with app.connection_for_write() as connection:
        connection.default_channel.queue_delete(app.conf.task_default_queue)
    app.close()


def wait_until(true: Callable[[], bool]) -> None:
    """RabbitMQ routes a message, and takes one back, a moment after the client has gone on."""
    deadline = time.monotonic() + 5
    while not true():
        assert time.monotonic() < deadline, "not within 5 s"
        time.sleep(0.01)


def look(app: celery.Celery, number: str = "args.0") -> tuple[Depth, list[tuple[str, str]]]:
    with contextlib.closing(
        open_queue(app.conf.broker_url, Queue(name=app.conf.task_default_queue, number=number))
    ) as queue:
        return queue.depth(), sorted(queue.entries())


def test_a_queue_that_nobody_declared_is_empty(app: celery.Celery) -> None:
    depth, entries = look(app)
    assert depth.total == 0
    assert entries == []


def test_waiting_orders_are_counted_and_named_and_stay(app: celery.Celery) -> None:
    for n in (1, 2):
        app.send_task("place_order", args=(f"s-{n}", "b"))
    for _ in range(2):  # looking takes nothing away
        wait_until(lambda: look(app)[0].ready == 2)
        assert look(app)[1] == [("s-1", "ready"), ("s-2", "ready")]


def test_the_number_may_be_a_keyword_argument(app: celery.Celery) -> None:
    app.send_task("place_order", kwargs={"number": "s-7"})
    wait_until(lambda: look(app, "kwargs.number")[0].ready == 1)
    assert look(app, "kwargs.number")[1] == [("s-7", "ready")]


def test_an_order_that_a_worker_holds_is_unacked(app: celery.Celery) -> None:
    app.send_task("place_order", args=("s-1", "b"))
    wait_until(lambda: look(app)[0].ready == 1)
    with app.connection_for_read() as connection:
        queue = kombu.Queue(app.conf.task_default_queue)
        message = queue.bind(connection.default_channel).get(no_ack=False)
        assert message is not None
        depth, entries = look(app)
        assert depth.ready == 0
        if app.conf.broker_url.startswith("redis"):
            assert depth.unacked == 1
            assert entries == [("s-1", "unacked")]
        else:
            assert depth.unacked is None, "AMQP does not tell"
        message.ack()
