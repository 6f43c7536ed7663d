"""What a buyer's exchanges leave in the history, beside a line that answers at once."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
import pytest
from locust.env import Environment

from loadtest.experiment.schema import Experiment
from loadtest.experiment.traffic import Crowd
from loadtest.load.buyers import recorder as module
from loadtest.load.buyers.buyer import Buyer
from loadtest.load.buyers.recorder import BATCH, Recorder
from loadtest.load.http.client import DeadlineError, NotSentError, Response
from loadtest.load.sale import Sale
from loadtest.manifest.accounts import Buyers
from loadtest.manifest.loading import load_shop
from loadtest.talk.roster import Roster


class Prompt:
    """A line to a shop that answers at once, with what `reply` makes."""

    def __init__(self, customer: "Customer") -> None:
        self._customer = customer

    def request(self, *request: Any) -> Any:
        return request

    def exchange(self, _request: Any) -> Response:
        return self._customer.reply()

    def connect(self) -> None:
        pass

    def cookies(self) -> dict[str, str]:
        return {}

    def close(self) -> None:
        pass


class Customer(Buyer):
    reply: Callable[[], Response] = staticmethod(lambda: Response(410, b""))

    def lines(self, _timeout_s: float, count: int) -> list[Any]:
        return [Prompt(self) for _ in range(count)]


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    return tmp_path / "g0.jsonl"


@pytest.fixture
def customer(shard: Path) -> Customer:
    experiment = Experiment()
    shop, _ = load_shop(experiment)
    nowhere: Any = None
    environment = Environment(user_classes=[Customer])
    crowd = Crowd(experiment.traffic, experiment.buyers, experiment.seed)
    environment.sale = Sale(
        "sale", shop.http, nowhere, experiment, nowhere, [0], crowd, Roster(Buyers(), 1), recorder=Recorder(shard)
    )
    return Customer(environment)


def test_an_order_is_in_the_file_before_it_is_sent(customer: Customer, shard: Path) -> None:
    def look() -> Response:
        assert shard.read_bytes().rstrip(b"\0") == b'{"b":"b-000001","k":"buy"}\n'
        return Response(410, b"")

    customer.reply = look
    assert customer.buy().outcome == "sold_out"


def test_what_ended_is_written_with_every_so_many_answers(customer: Customer, shard: Path) -> None:
    for _ in range(BATCH - 1):
        customer.buy()
    assert shard.read_bytes().count(b"sold_out") == 0
    customer.buy()
    assert shard.read_bytes().count(b"sold_out") == BATCH
    assert shard.read_bytes().rstrip(b"\0").count(b"\n") == 2 * BATCH


def test_a_full_chunk_is_followed_by_another(shard: Path, customer: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK_BYTES", 16_384)
    customer.sale.recorder = recorder = Recorder(shard.with_name("g1.jsonl"))
    for _ in range(500):
        customer.buy()
    recorder.close()
    lines = recorder.path.read_bytes().splitlines()
    assert len(lines) == 1_000
    assert sum(b'"a":' in line for line in lines) == 500


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (DeadlineError("no answer in 1 s"), b'"a":{"o":"unknown","x":"no answer in 1 s"}}'),
        (NotSentError("connect: refused"), b'"a":{"o":"refused","x":"connect: refused"}}'),
    ],
)
def test_an_error_says_whether_the_order_may_have_left(
    customer: Customer, shard: Path, error: Exception, told: bytes
) -> None:
    def fail() -> Response:
        raise error

    customer.reply = fail
    customer.buy()
    customer.sale.recorder.flush()
    assert told in shard.read_bytes()


@pytest.mark.parametrize("error", [DeadlineError("no answer in 1 s"), NotSentError("connect: no connection in 1 s")])
def test_who_got_no_answer_has_waited_as_long_as_they_waited(customer: Customer, shard: Path, error: Exception) -> None:
    def hold() -> Response:
        gevent.sleep(0.2)
        raise error

    customer.reply = hold
    customer.buy()
    customer.sale.recorder.flush()
    assert 0.2e9 <= waited_ns(shard) < 2e9


def test_who_is_sent_home_has_waited_so_far(customer: Customer, shard: Path) -> None:
    def hold() -> Response:
        gevent.sleep(60)
        raise AssertionError

    customer.reply = hold
    buyer = gevent.spawn(customer.buy)
    gevent.sleep(0.2)
    buyer.kill()
    customer.sale.recorder.close()
    assert 0.1e9 <= waited_ns(shard) < 2e9
    assert b'"a":{"o":"unknown","x":"the sale ended before an answer came"}}' in shard.read_bytes()


def waited_ns(shard: Path) -> int:
    """From the send of the one order to its end."""
    begun, ended = map(json.loads, shard.read_bytes().rstrip(b"\0").splitlines())
    assert begun == {"b": "b-000001", "k": "buy"}
    return int(ended["e"] - ended["t"])


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>won</html>", b"{}", b'{"number": null}', b'{"number": ""}', b'{"number": " "}', b'{"number": 1.5}',
     b'{"number": true}', b'{"number": ["sale-000001"]}', b'"sale-000001"', b"\xff"],
)  # fmt: skip
def test_a_win_without_a_number_is_won_all_the_same_and_a_failure(customer: Customer, body: bytes) -> None:
    failures: list[Any] = []
    customer.environment.events.request.add_listener(lambda exception, **_: failures.append(str(exception)))
    customer.reply = lambda: Response(202, body)
    answer = customer.buy()
    text = "HTTP 202 without 'number' in its answer"
    assert (answer.outcome, answer.number, answer.error, answer.http_status) == ("won", None, text, 202)
    assert failures == [text]
    assert not answer.worth_a_retry
    assert customer.follow(answer) is answer


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (Response(200, b'{"status": "queued"}'), "pending"),
        (Response(200, b'{"status": "rejected"}'), "rejected"),
        (Response(200, b"<html>"), "unknown"),
        (Response(404, b""), "unknown"),
        (DeadlineError("no answer in 1 s"), "unknown"),
        (NotSentError("connect: refused"), "refused"),
    ],
)
def test_a_look_at_an_order_has_the_number_that_was_asked_for(
    customer: Customer, shard: Path, reply: Response | Exception, outcome: str
) -> None:
    def give() -> Response:
        if isinstance(reply, Exception):
            raise reply
        return reply

    customer.reply = give
    answer = customer.poll("sale-000042")
    assert (answer.outcome, answer.number) == (outcome, "sale-000042")
    customer.sale.recorder.flush()
    told = f'"a":{{"o":"{outcome}","n":"sale-000042"'.encode()
    assert told in shard.read_bytes()
