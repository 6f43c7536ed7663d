"""One buyer as a Locust user: opens a connection, waits at the gate, buys, and follows the order to its end."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import gevent
import msgspec
from locust import User

from loadtest.experiment.names import fill
from loadtest.load.buyers.recorder import BATCH, Answer, Ended, begun
from loadtest.load.http.client import HttpError, Response
from loadtest.load.http.line import Line, lines
from loadtest.load.now import now_ns
from loadtest.load.sale import Turn, sale_of
from loadtest.manifest.http import Request
from loadtest.record.history import Kind

YEAR_S = 365 * 86_400.0
FAILED = ("unknown", "refused")
WITH_NUMBER = ("won", "already_bought")
SENT_HOME = "the sale ended before an answer came"
# Texts from the shop's answers are cut to this many characters.
MAX_TEXT = 300
# msgspec is several times as fast; json accepts what msgspec rejects, such as NaN.
QUICKLY = msgspec.json.Decoder().decode
DECODE = json.JSONDecoder().decode


class BadStatusError(HttpError):
    """An answer that Locust's statistics count as a failure: `refused`, `unknown`, or a win without a number."""


class Asked(msgspec.Struct, frozen=True):
    """One request, prepared: `name` is for the statistics, `data` is what a `Line` sends, `begun` is the line of the history that is
    written before the send, and `read` makes an `Answer` of the response. `number` is the order whose status is asked for."""

    buyer: str
    kind: Kind
    method: str
    name: str
    data: Any
    begun: bytes
    read: Callable[[Response], Answer]
    number: str | None = None


class Buyer(User):  # type: ignore[misc]
    """The base of every scenario's buyers. A task is all that one buyer does; afterwards the user stays, idle.

    With open arrivals one Locust user plays several buyers: when the task ends, the user becomes the next buyer of the arrival
    plan, who is due at a time of their own.
    """

    abstract = True

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self.sale = sale_of(environment)
        self.sale.users += 1
        self._connections: list[Line] = []
        self._arrived = self._warmed = False
        self._fire = environment.events.request.fire
        self._outcomes = self.sale.http.buy.by_status
        self._become(self.sale.next_turn())

    def lines(self, timeout_s: float, count: int) -> list[Line]:
        """`count` lines to the shop, one for each simultaneous click. A base with another client overrides this."""
        return lines(self.sale.http, self.sale.where, timeout_s, count)

    # What a task may call.

    def warm(self) -> None:
        """Opens every connection by requesting the page that buyers look at before the sale. A second call does nothing."""
        if self._warmed:
            return
        self._warmed = True
        for connection in self._connections:
            with self.sale.connecting:
                self._exchange(self._warm, now_ns(), connection)

    def buy(self) -> Answer:
        """Sends one buy request now, without waiting for T0."""
        return self._exchange(self._buy, now_ns(), self._connections[0])

    def buy_at_t0(self) -> list[Answer]:
        """Waits for T0, or for this buyer's own time after it, and sends one buy request per click. Returns their answers.

        Clicks do not wait for each other: each has a connection of its own, and all are sent at the same moment.
        """
        if not self._arrived:
            self._arrived = True
            self.sale.gate.arrive()
        if self._turn is None:
            return []
        first, *others = self._connections[: self._persona.clicks]
        further = [gevent.spawn(self._click, connection) for connection in others]
        try:
            return [self._click(first), *(click.get() for click in further)]
        finally:
            gevent.killall(further, block=False)

    def poll(self, number: str, due_ns: int | None = None) -> Answer:
        """Requests the status of order `number` once; its outcome is `pending`, `confirmed`, `rejected`, `unknown` or `refused`.

        `due_ns` is when the request was scheduled, from which its latency counts; by default now.
        """
        assert self.sale.http.status is not None
        asked = self._ask("status", self.sale.http.status, {**self._values, "number": quote(number, safe="")}, number)
        return self._exchange(asked, due_ns or now_ns(), self._connections[0])

    def follow(self, answer: Answer) -> Answer:
        """Polls the order of `answer` every `poll_s` until it is confirmed or rejected, or the drain's deadline has passed.

        Polls are due at multiples of `poll_s` from now; one that falls due while another is unanswered is skipped. Returns the
        last answer; returns `answer` itself if it names no order, or one that this account already follows.
        """
        number = answer.number
        if number is None or self.sale.http.status is None or (self.name, number) in self.sale.followed:
            return answer
        self.sale.followed.add((self.name, number))
        step_ns = int(self.sale.experiment.arrivals.poll_s * 1e9)
        due_ns = told_ns = now_ns()
        end_ns = (self.sale.gate.t0_ns or told_ns) + int(self.sale.experiment.drain.deadline_s * 1e9)
        while answer.outcome not in ("confirmed", "rejected"):
            due_ns += step_ns * max(1, -((due_ns - told_ns) // step_ns))
            if due_ns > end_ns:
                break
            sleep_until(due_ns)
            answer = self.poll(number, due_ns)
            told_ns = now_ns()
        return answer

    # What Locust calls.

    def wait_time(self) -> float:
        """Called when the task has ended or failed. Returns seconds: 0 to go on as the next buyer of an open plan, else YEAR_S.

        The user idles instead of exiting because Locust would replace it, and the new one would buy again.
        """
        if self.sale.experiment.arrivals.open:
            self._become(self.sale.next_turn())
            if self._turn is not None:
                return 0
        self.sale.gate.leave()
        return YEAR_S

    def on_stop(self) -> None:
        """Closes the connections."""
        self._hang_up()

    # Which buyer this user plays.

    def _become(self, turn: Turn | None) -> None:
        """Takes on the name and persona of the buyer of `turn`, and builds their requests before they are due.

        None, when an open plan has no buyer left, makes the user a placeholder that never buys.
        """
        self._turn = turn
        name, self._ordinal, _ = turn or Turn("nobody", 0, 0)
        self._persona = self.sale.crowd.persona(self._ordinal)
        if not self.sale.experiment.arrivals.open:  # an open plan is counted as a whole, beforehand
            self.sale.planned += self._persona.clicks
        self.name = self._persona.account or name
        self._values = {"sale": self.sale.name, "buyer": self.name}
        if self.sale.http.cookies:  # cookies belong to the previous buyer
            self._hang_up()
            self._warmed = False
        if (missing := self._persona.clicks - len(self._connections)) > 0:
            self._connections += self.lines(self.sale.experiment.arrivals.timeout_s, missing)
        self._warm = self._ask("page", self.sale.http.warm or Request(request="GET /"))
        self._buy = self._ask("buy", self.sale.http.buy)

    def _hang_up(self) -> None:
        for connection in self._connections:
            connection.close()
        self._connections = []

    # One exchange.

    def _click(self, connection: Line) -> Answer:
        return self._exchange(self._buy, self._wait_until_due(), connection)

    def _wait_until_due(self) -> int:
        """Returns when this buyer was due, in nanoseconds since the epoch."""
        assert self._turn is not None
        arrivals, gate = self.sale.experiment.arrivals, self.sale.gate
        if arrivals.open:
            due_ns = gate.announced() + self._turn.offset_ns
            sleep_until(due_ns)
            return due_ns
        t0_ns = gate.watch()
        return t0_ns if arrivals.kind == "herd" else max(t0_ns, now_ns())

    def _exchange(self, asked: Asked, due_ns: int, connection: Line) -> Answer:
        sale, recorder = self.sale, self.sale.recorder
        response: Response | None = None
        failure: HttpError | None = None
        start_ns = now_ns()
        if recorder:
            try:
                recorder.write(asked.begun)
            except ValueError:
                recorder.write_further(asked.begun)
        sale.sent += 1
        try:
            response = connection.exchange(asked.data)
        except HttpError as error:
            end_ns = now_ns()
            failure = error
            answer = Answer("unknown" if error.may_have_left else "refused", asked.number, str(error))
        except BaseException:
            self._sent_home(asked, due_ns, start_ns)
            raise
        else:
            end_ns = now_ns()
            sale.answered += 1
            answer = asked.read(response)
            answer.http_status = response.status
            if asked.number is not None:
                answer.number = asked.number
            if answer.error is not None:
                failure = BadStatusError(answer.error)
        if recorder:
            recorder.ended.append(Ended(asked.buyer, asked.kind, due_ns, start_ns, end_ns, answer))
            if len(recorder.ended) >= BATCH:
                recorder.flush()
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

    def _sent_home(self, asked: Asked, due_ns: int, start_ns: int) -> None:
        """Records that the buyer was stopped while they waited for an answer, and how long they had waited."""
        if self.sale.recorder:
            lost = Answer("unknown", asked.number, SENT_HOME)
            self.sale.recorder.ended.append(Ended(asked.buyer, asked.kind, due_ns, start_ns, now_ns(), lost))

    def _read_buy(self, response: Response) -> Answer:
        outcome = self._outcomes.get(response.status, "unknown")
        if outcome in FAILED:
            return Answer(outcome, None, f"HTTP {response.status}")
        key = self.sale.http.buy.number
        if key is None or outcome not in WITH_NUMBER:
            return Answer(outcome)
        number = value_at(response.body, key)
        if number is None and outcome == "won":
            # The buyer was told that they have won, and their row must follow: a promise, though nobody can ask after it.
            return Answer("won", None, f"HTTP {response.status} without {key!r} in its answer")
        return Answer(outcome, number)

    def _read_status(self, response: Response) -> Answer:
        status = self.sale.http.status
        assert status is not None
        state = value_at(response.body, status.state) if response.status == 200 else None
        if state in status.pending:
            return Answer("pending")
        if state in status.confirmed:
            return Answer("confirmed")
        if state in status.rejected:
            return Answer("rejected")
        return Answer("unknown", None, f"HTTP {response.status}, {status.state} {state!r}")

    def _ask(
        self, kind: Kind, request: Request, values: dict[str, str] | None = None, number: str | None = None
    ) -> Asked:
        method, path = request.request.split(" ", 1)
        values = values or self._values
        headers = {name: fill(text, values, f"http.{kind}.headers") for name, text in request.headers.items()}
        body = None
        if request.body is not None:
            headers = {"Content-Type": "application/json", **headers}
            body = json.dumps(_filled(request.body, values, f"http.{kind}.body")).encode()
        data = self._connections[0].request(method, fill(path, values, f"http.{kind}.request"), headers, body)
        read = {"buy": self._read_buy, "status": self._read_status}.get(kind, _read_page)
        name = path.replace("{sale}", self.sale.name)
        return Asked(self.name, kind, method, name, data, begun(self.name, kind), read, number)


def sleep_until(due_ns: int) -> None:
    """Sleeps until `due_ns`, never shorter: a timer of the event loop may fire early."""
    while (left_ns := due_ns - now_ns()) > 0:
        gevent.sleep(left_ns / 1e9)


def value_at(body: bytes, key: str) -> str | None:
    """The string or integer at dotted `key` of a JSON `body`, as text of at most MAX_TEXT characters; None if there is none.

    A blank string is none.
    """
    try:
        try:
            value = QUICKLY(body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            value = DECODE(body.decode())
        for part in key.split("."):
            value = value[int(part)] if isinstance(value, list) else value[part]
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        return None
    if isinstance(value, str):
        return value[:MAX_TEXT] if value.strip() else None
    return str(value)[:MAX_TEXT] if isinstance(value, int) and not isinstance(value, bool) else None


def _read_page(response: Response) -> Answer:
    return Answer("ok") if response.status < 400 else Answer("unknown", None, f"HTTP {response.status}")


def _filled(value: Any, values: dict[str, str], where: str) -> Any:
    """JSON `value` with the placeholders in its strings filled from `values`; `where` is named in errors."""
    if isinstance(value, str):
        return fill(value, values, where)
    if isinstance(value, dict):
        return {name: _filled(inner, values, where) for name, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, values, where) for inner in value]
    return value
