"""One buyer as a Locust user: opens a connection, waits at the gate, buys, and follows the order to its end."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import time_ns
from typing import Any, NamedTuple
from urllib.parse import quote

import gevent
from gevent.lock import BoundedSemaphore
from locust import User

from loadtest.errors import HarnessError
from loadtest.experiment import Experiment
from loadtest.generators import own_name
from loadtest.history import Kind, Outcome
from loadtest.load.endpoint import Endpoint
from loadtest.load.gate import Gate
from loadtest.load.http import Connection, HttpError, Response
from loadtest.load.recorder import Completion, Recorder, tag
from loadtest.names import fill
from loadtest.shop import Http, Request, Status
from loadtest.traffic import Crowd

# Buyers of one process that open their connections at the same time: a listener's backlog is often 128.
CONNECTING = 100
YEAR_S = 365 * 86_400.0
FAILED = ("unknown", "refused")
# Text that the shop wrote is cut to this length.
MAX_TEXT = 300
DECODE = json.JSONDecoder().decode


@dataclass(slots=True)
class Sale:
    """What the buyers of one process share while one test runs. `planned` counts the buy requests that are to come of `buyers`."""

    name: str
    http: Http
    where: Endpoint
    experiment: Experiment
    gate: Gate
    offsets_ns: Sequence[int]
    crowd: Crowd
    process: int = 0
    processes: int = 1
    recorder: Recorder | None = None
    sent: int = 0
    answered: int = 0
    buyers: int = 0
    planned: int = 0
    followed: set[tuple[str, str]] = field(default_factory=set)
    connecting: Any = field(default_factory=lambda: BoundedSemaphore(CONNECTING))

    def next_buyer(self) -> tuple[str, int]:
        """The name of one more buyer, and its ordinal among those of all processes, from 0."""
        turn = self.buyers
        self.buyers += 1
        return own_name(self.process, turn), turn * self.processes + self.process


class BadStatusError(HttpError):
    """The shop answered with a status that the manifest calls `refused` or `unknown`."""


class Answer(NamedTuple):
    """What a buyer made of one answer."""

    outcome: Outcome
    number: str | None = None
    error: str | None = None


class Asked(NamedTuple):
    """One request as the statistics name it, with its bytes."""

    kind: Kind
    method: str
    name: str
    data: bytes
    tag: bytes


class Buyer(User):  # type: ignore[misc]
    """The base of every scenario's buyers. A task is one buyer's whole story; when it ends the buyer stays, silent."""

    abstract = True

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self.sale = _sale_of(environment)
        own, ordinal = self.sale.next_buyer()
        persona = self.sale.crowd.persona(ordinal)
        self.name = persona.account or own
        self.sale.planned += persona.clicks
        offsets = self.sale.offsets_ns
        self._offset_ns = offsets[ordinal % len(offsets)]
        self._values = {"sale": self.sale.name, "buyer": self.name}
        timeout_s = self.sale.experiment.arrivals.timeout_s
        self._connection, *self._further = [Connection(self.sale.where, timeout_s) for _ in range(persona.clicks)]
        self._fire = environment.events.request.fire
        self._outcomes: dict[int, Outcome] = {
            int(status): outcome for status, outcome in self.sale.http.buy.outcomes.items()
        }
        self._warm = self._ask("page", self.sale.http.warm)
        self._buy = self._ask("buy", self.sale.http.buy)

    # The story's verbs.

    def warm(self) -> None:
        """Opens every connection by asking for the page that a buyer would look at before the sale."""
        for connection in (self._connection, *self._further):
            with self.sale.connecting:
                self._exchange(self._warm, time_ns(), connection)

    def buy(self) -> Answer:
        """Asks for one unit, now and once."""
        return self._exchange(self._buy, time_ns(), self._connection)

    def buy_at_t0(self) -> list[Answer]:
        """Stands at the gate until T0, or until this buyer's own time after it, and asks for one unit with every click.

        Clicks do not wait for each other: each has a connection, and they are sent next to each other.
        """
        gate = self.sale.gate
        further = [gevent.spawn(self._click, gate.watch, connection) for connection in self._further]
        try:
            return [self._click(gate.wait, self._connection), *(click.get() for click in further)]
        finally:
            gevent.killall(further, block=False)

    def poll(self, number: str, due_ns: int | None = None) -> Answer:
        """Looks once at order `number`: `pending`, `confirmed` or `rejected`."""
        assert self.sale.http.status is not None
        asked = self._ask("status", self.sale.http.status, {**self._values, "number": quote(number, safe="")})
        return self._exchange(asked, due_ns or time_ns(), self._connection)

    def follow(self, answer: Answer) -> Answer:
        """Polls the order of `answer` every `poll_s` until it is confirmed or rejected, or the drain's deadline is past.

        Looks are due on a grid that starts now; a look that comes while the one before is unanswered is left out. An order
        that this account follows already is left alone.
        """
        if answer.number is None or self.sale.http.status is None or (self.name, answer.number) in self.sale.followed:
            return answer
        self.sale.followed.add((self.name, answer.number))
        step_ns = int(self.sale.experiment.arrivals.poll_s * 1e9)
        due_ns = now_ns = time_ns()
        end_ns = (self.sale.gate.t0_ns or now_ns) + int(self.sale.experiment.drain.deadline_s * 1e9)
        while answer.outcome not in ("confirmed", "rejected"):
            due_ns += step_ns * max(1, -((due_ns - now_ns) // step_ns))
            if due_ns > end_ns:
                break
            gevent.sleep(max(0.0, (due_ns - time_ns()) / 1e9))
            number = answer.number
            answer = self.poll(number, due_ns)._replace(number=number)
            now_ns = time_ns()
        return answer

    # What Locust calls.

    def wait_time(self) -> float:
        """The story is over, well or not. The buyer parks: Locust would replace one that exits, and buy twice."""
        self.sale.gate.leave()
        return YEAR_S

    def on_stop(self) -> None:
        """Hangs up."""
        for connection in (self._connection, *self._further):
            connection.close()

    # One exchange.

    def _click(self, wait: Callable[[], int], connection: Connection) -> Answer:
        due_ns = wait() + self._offset_ns
        if self._offset_ns:
            gevent.sleep(max(0.0, (due_ns - time_ns()) / 1e9))
        return self._exchange(self._buy, due_ns, connection)

    def _exchange(self, asked: Asked, due_ns: int, connection: Connection) -> Answer:
        sale, recorder = self.sale, self.sale.recorder
        response: Response | None = None
        failure: HttpError | None = None
        start_ns = time_ns()
        op = recorder.intent(asked.tag, due_ns, start_ns) if recorder else 0
        sale.sent += 1
        try:
            response = connection.exchange(asked.data)
        except HttpError as error:
            end_ns = time_ns()
            failure = error
            answer = Answer("unknown" if error.may_have_left else "refused", None, str(error))
        else:
            end_ns = time_ns()
            sale.answered += 1
            answer = self._read(asked.kind, response)
            if answer.outcome in FAILED:
                failure = BadStatusError(answer.error)
        if recorder:
            status = response and response.status
            recorder.completion(Completion(op, end_ns, answer.outcome, answer.number, status, answer.error))
        self._fire(
            request_type=asked.method,
            name=asked.name,
            response_time=(end_ns - due_ns) / 1e6,
            response_length=len(response.body) if response else 0,
            response=response,
            exception=failure,
            context={},
            start_time=due_ns / 1e9,
            url=asked.name,
        )
        return answer

    def _read(self, kind: Kind, response: Response) -> Answer:
        if kind == "buy":
            return self._read_buy(response)
        if kind == "status" and self.sale.http.status is not None:
            return _read_status(self.sale.http.status, response)
        return Answer("ok") if response.status < 400 else Answer("unknown", None, f"HTTP {response.status}")

    def _read_buy(self, response: Response) -> Answer:
        outcome = self._outcomes.get(response.status, "unknown")
        if outcome in FAILED:
            return Answer(outcome, None, f"HTTP {response.status}")
        key = self.sale.http.buy.number
        if key is None or outcome not in ("won", "already_bought"):
            return Answer(outcome)
        number = value_at(response.body, key)
        if number is None and outcome == "won":
            return Answer("unknown", None, f"HTTP {response.status} without {key!r} in its answer")
        return Answer(outcome, number)

    def _ask(self, kind: Kind, request: Request, values: dict[str, str] | None = None) -> Asked:
        method, path = request.request.split(" ", 1)
        values = values or self._values
        headers = {name: fill(text, values, f"http.{kind}.headers") for name, text in request.headers.items()}
        body = None
        if request.body is not None:
            headers = {"Content-Type": "application/json", **headers}
            body = json.dumps(_filled(request.body, values, f"http.{kind}.body")).encode()
        data = self.sale.where.request(method, fill(path, values, f"http.{kind}.request"), headers, body)
        return Asked(kind, method, path.replace("{sale}", self.sale.name), data, tag(self.name, kind))


def value_at(body: bytes, key: str) -> str | None:
    """The text or whole number at dotted `key` of a JSON answer, as text of at most MAX_TEXT; None when it is not there."""
    try:
        value = DECODE(body.decode())
        for part in key.split("."):
            value = value[int(part)] if isinstance(value, list) else value[part]
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        return None
    if isinstance(value, str):
        return value[:MAX_TEXT]
    return str(value)[:MAX_TEXT] if isinstance(value, int) and not isinstance(value, bool) else None


def _read_status(status: Status, response: Response) -> Answer:
    state = value_at(response.body, status.state) if response.status == 200 else None
    if state in status.pending:
        return Answer("pending")
    if state in status.confirmed:
        return Answer("confirmed")
    if state in status.rejected:
        return Answer("rejected")
    return Answer("unknown", None, f"HTTP {response.status}, {status.state} {state!r}")


def _filled(value: Any, values: dict[str, str], where: str) -> Any:
    """A JSON value with the placeholders in its strings filled."""
    if isinstance(value, str):
        return fill(value, values, where)
    if isinstance(value, dict):
        return {name: _filled(inner, values, where) for name, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, values, where) for inner in value]
    return value


def _sale_of(environment: Any) -> Sale:
    sale = getattr(environment, "sale", None)
    if not isinstance(sale, Sale):
        raise HarnessError("a Buyer without a sale: the scenario must call loadtest.load.plugin.install(locust.events)")
    return sale
