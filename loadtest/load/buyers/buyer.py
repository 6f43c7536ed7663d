"""One buyer as a Locust user: opens a connection, waits at the gate, buys, and follows the order to its end."""

import contextlib
import logging
from collections.abc import Iterable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import gevent
from msgspec.structs import replace

from loadtest.errors import UsageError
from loadtest.load.buyers.exchange import Exchanging
from loadtest.load.buyers.recorder import Answer, Order, begun
from loadtest.load.buyers.script import Asked, StepSaid, read_page
from loadtest.load.http.client import HttpError, Response
from loadtest.load.http.line import Line, lines
from loadtest.load.now import now_ns
from loadtest.load.sale import Turn
from loadtest.record.history import Kind
from loadtest.talk.reading import Reading

YEAR_S = 365 * 86_400.0
NOT_BEGUN = "nothing was bought: a step before the purchase failed"

log = logging.getLogger(__name__)


class Buyer(Exchanging):
    """The base of every scenario's buyers. A task is all that one buyer does; afterwards the user stays, idle.

    With open arrivals one Locust user plays several buyers: when the task ends, the user becomes the next buyer of the arrival
    plan, who is due at a time of their own.
    """

    abstract = True

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self.sale.users += 1
        self._arrived = self._warmed = False
        self._become(self.sale.next_turn())

    def lines(self, timeout_s: float, count: int) -> list[Line]:
        """`count` lines to the shop, one for each simultaneous click. A base with another client overrides this."""
        sale = self.sale
        return lines(sale.http, sale.where, timeout_s, count, self._source, sale.script.headed)

    # What a task may call.

    @property
    def captured(self) -> Mapping[str, object]:
        """What the steps before the purchase captured, such as a token: placeholder → value."""
        return MappingProxyType(self._captured)

    def warm(self) -> None:
        """Opens every connection, by requesting the page that buyers look at before the sale if the manifest has one; then does the
        steps before the purchase, such as a log-in. A second call does nothing."""
        if self._turn is None:
            return
        if not self._warmed:
            self._warmed = True
            for connection in self._connections:
                with self.sale.connecting:
                    self._open(connection)
        self._begin()

    def buy(self) -> Answer:
        """Buys now, without waiting for T0."""
        if not self._begun:
            self._begin()
        if self._failed:
            return Answer("refused", None, NOT_BEGUN)
        return self._purchase("buy", now_ns(), self._connections[0])

    def buy_at_t0(self) -> list[Answer]:
        """Waits for T0, or for this buyer's own time after it, and sends one buy request per click. Returns their answers.

        Clicks do not wait for each other: each has a connection of its own, and all are sent at the same moment. Whose step before the
        purchase failed buys nothing, and has no answers.
        """
        self._begin()
        if not self._arrived:
            self._arrived = True
            self.sale.gate.arrive()
        if self._failed:
            return []
        first, *others = self._connections[: self._persona.clicks]
        further = [gevent.spawn(self._click, connection) for connection in others]
        try:
            return [self._click(first), *(click.get() for click in further)]
        finally:
            gevent.killall(further, block=False)

    def poll(
        self, number: str | None = None, due_ns: int | None = None, captured: Mapping[str, object] | None = None
    ) -> Answer:
        """Asks once what became of an order; the outcome is `pending`, `confirmed`, `rejected`, `unknown` or `refused`.

        The order is that of `number`, or whatever the manifest's request names: `captured` has what the answer to the order told. `due_ns` is
        when the request was scheduled, from which its latency counts; by default now.

        Raises:
            UsageError: the manifest has no such request, or it names what is not known.
        """
        asked = self._status(number, captured or {})
        if asked is None:
            raise UsageError("poll: the manifest has no [http.status], or that names more than is known of the order")
        return self._exchange(asked, due_ns or now_ns(), self._connections[0])

    def follow(self, answer: Answer) -> Answer:
        """Polls the order of `answer` every `poll_s` until it is confirmed or rejected, or the drain's deadline has passed.

        Polls are due at multiples of `poll_s` from now; one that falls due while another is unanswered is skipped. Returns the
        last answer; returns `answer` itself if there is nothing to ask with, or this account already follows the order.
        """
        asked = self._status(answer.number, answer.captured if isinstance(answer, Order) else {})
        if (
            asked is None
            or not (answer.ordered or answer.number)
            or (key := f"{self.name} {asked.data!r}") in self.sale.followed
        ):
            return answer
        self.sale.followed.add(key)
        step_ns = int(self.sale.experiment.arrivals.poll_s * 1e9)
        due_ns = told_ns = now_ns()
        end_ns = (self.sale.gate.t0_ns or told_ns) + int(self.sale.experiment.drain.deadline_s * 1e9)
        while answer.outcome not in ("confirmed", "rejected"):
            due_ns += step_ns * max(1, -((due_ns - told_ns) // step_ns))
            if due_ns > end_ns:
                break
            sleep_until(due_ns)
            answer = self._exchange(asked, due_ns, self._connections[0])
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

        None, when an open plan has no buyer left, makes the user a placeholder that never buys; so does a file of users without a row
        for this buyer.
        """
        self._captured, self._clicked = {}, {}
        self._begun = self._failed = False
        self._turn, self._ordinal = turn, turn.ordinal if turn else 0
        self._persona = self.sale.crowd.persona(self._ordinal)
        who = self._who(turn) if turn else None
        if who is None:
            self._turn, self.name, self._failed = None, "nobody", True
            return
        if not self.sale.experiment.arrivals.open:  # an open plan is counted as a whole, beforehand
            self.sale.planned += self._persona.clicks
        self.name = str(who["buyer"])
        self._values = {"sale": self.sale.name, **who}
        self._connect()
        script = self.sale.script
        self._warm = self._ask("page", script.warm, read_page) if script.warm else None
        self._buy: Asked | None = None  # with steps, it is built when they are done
        if not (script.before or script.click):
            self._buy = self._ask("buy", script.buy, self._read_buy)

    def _who(self, turn: Turn) -> Mapping[str, object] | None:
        account, roster = self._persona.account, self.sale.roster
        who = roster.buyer(turn.ordinal) if account is None else roster.account(account)
        if who is None:
            log.warning("buyer %d: the file of users has no row for them, so they stay away", turn.ordinal + 1)
        return who

    def _connect(self) -> None:
        """Has a line for each click of this buyer. Cookies and an address of their own belong to the previous buyer."""
        self._source = self.sale.source(self._ordinal)
        if self.sale.http.cookies or self._source:
            self._hang_up()
            self._warmed = False
        if (missing := self._persona.clicks - len(self._connections)) > 0:
            self._connections += self.lines(self.sale.experiment.arrivals.timeout_s, missing)

    def _hang_up(self) -> None:
        for connection in self._connections:
            connection.close()
        self._connections = []

    def _open(self, connection: Line) -> None:
        if self._warm:
            self._exchange(self._warm, now_ns(), connection)
        else:
            with contextlib.suppress(HttpError):  # the first request will tell
                connection.connect()

    # The steps before the purchase, and the purchase.

    def _begin(self) -> None:
        """Does the steps before the purchase, once, when it is this buyer's turn to begin them."""
        script = self.sale.script
        if self._begun or self._failed:
            return
        self._begun = True
        if script.before:
            sleep_until(due_ns := self.sale.next_begin_ns())
            if self._steps(script.before, due_ns, self._connections[0], self._captured) is not None:
                self._failed = True
                self.sale.planned -= self._persona.clicks
        if script.before and not self._failed and not script.click:
            self._buy = self._ask("buy", script.buy, self._read_buy)

    def _steps(
        self, steps: Iterable[StepSaid], due_ns: int, connection: Line, captured: dict[str, Any]
    ) -> Answer | None:
        """Does `steps` one after the other, and adds to `captured`. Returns the answer that failed; None if all went well."""
        for step in steps:
            read = partial(step.read, kept=self._kept_cookie, secrets=self._secrets)
            answer = self._exchange(self._ask("before", step.said, read, captured), due_ns, connection)
            if answer.outcome != "ok":
                return answer
            if isinstance(answer, Order):
                captured.update(answer.captured)
            due_ns = now_ns()
        return None

    def _click(self, connection: Line) -> Answer:
        return self._purchase("buy", self._wait_until_due(), connection)

    def _purchase(self, kind: Kind, due_ns: int, connection: Line) -> Answer:
        """Buys, after the steps that are part of the click. One of these that fails is the answer: nothing was bought."""
        asked = self._buy
        if asked is not None:
            if kind != "buy":
                asked = replace(
                    asked, kind=kind, begun=begun(self.name, kind), sorts=self._sorts(kind, self._script.buy)
                )
            return self._exchange(asked, due_ns, connection)
        captured: dict[str, Any] = {}
        failed = self._steps(self.sale.script.click, due_ns, connection, captured)
        if failed is not None:
            self.sale.planned -= kind == "buy"
            return failed
        self._clicked = captured
        answer = self._exchange(self._ask(kind, self.sale.script.buy, self._read_buy, captured), due_ns, connection)
        told = {**captured, **(answer.captured if isinstance(answer, Order) else {})}
        return Order(answer.outcome, answer.number, answer.error, answer.http_status, told)

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

    # Requests, and what answers mean.

    def _read_buy(self, response: Response) -> Reading:
        return self._script.read_buy(response, self.name, self._kept_cookie)

    def _status(self, number: str | None, captured: Mapping[str, object]) -> Asked | None:
        """The request for the state of an order; None if the manifest has none, or it names what is not known."""
        said = self.sale.script.status
        values = {**captured, **({"number": number} if number is not None else {})}
        if said is None or not said.template.names <= self._values.keys() | self._captured.keys() | values.keys():
            return None
        return self._ask("status", said, self.sale.script.read_status, values, number)


def sleep_until(due_ns: int) -> None:
    """Sleeps until `due_ns`, never shorter: a timer of the event loop may fire early."""
    while (left_ns := due_ns - now_ns()) > 0:
        gevent.sleep(left_ns / 1e9)
