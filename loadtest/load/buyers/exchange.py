"""One exchange of a buyer with the shop: sent, answered or not, recorded, and told to Locust."""

from collections.abc import Iterable, Mapping
from typing import Any

from locust import User

from loadtest.load.buyers.first_answers import Sorts, note
from loadtest.load.buyers.recorder import BATCH, Answer, Ended, Order
from loadtest.load.buyers.script import Asked, Read, Said
from loadtest.load.http.client import HttpError, Response
from loadtest.load.http.line import Line
from loadtest.load.now import now_ns
from loadtest.load.sale import sale_of
from loadtest.record.history import Kind
from loadtest.talk.masking import SECRET

SENT_HOME = "the sale ended before an answer came"


class BadStatusError(HttpError):
    """An answer that Locust's statistics count as a failure: `refused`, `unknown`, or a win without a number."""


class Exchanging(User):  # type: ignore[misc]
    """A Locust user whose requests are recorded in the history of its sale: with the placeholders `_values`, and what was captured."""

    abstract = True

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self.sale = sale_of(environment)
        self._script = self.sale.script
        self._fire = environment.events.request.fire
        self._connections: list[Line] = []
        self._values: Mapping[str, object] = {}
        self._captured: dict[str, Any] = {}  # by the steps before T0
        self._clicked: dict[str, Any] = {}  # by those of the latest click

    def _ask(
        self, kind: Kind, said: Said, read: Read, values: Mapping[str, object] | None = None, number: str | None = None
    ) -> Asked:
        known = {**self._values, **self._captured, **(values or {})}
        return said.by(self.name, kind, known, self._connections[0], read, number, self._sorts(kind, said))

    def _kept_cookie(self, name: str) -> str | None:
        return self._connections[0].cookies().get(name)

    def _sorts(self, kind: Kind, said: Said) -> Sorts:
        return self.sale.first_answers.to(kind, f"{said.template.method} {said.name}")

    def _secrets(self) -> Iterable[object]:
        """What must not stand in the bodies that are kept."""
        columns = (value for name, value in self._values.items() if SECRET.search(name))
        return [*self._captured.values(), *self._clicked.values(), *columns, *self._connections[0].cookies().values()]

    def _exchange(self, asked: Asked, due_ns: int, connection: Line) -> Answer:
        """Sends `asked`, which was due at `due_ns`, and records what became of it."""
        sale, recorder = self.sale, self.sale.recorder
        response: Response | None = None
        captured: Mapping[str, object] | None = None
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
            outcome, number, why, rule, captured = reading = asked.read(response)
            answer = Answer(outcome, asked.number or number, why, response.status)
            sort = asked.sorts.get((response.status, outcome, rule))
            if sort is not None and sort.full:  # as nearly all are, before long
                sort.n += 1
            else:
                note(asked.sorts, response, reading, self._secrets)
            if why is not None:
                failure = BadStatusError(why)
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
            context={"outcome": answer.outcome},
            start_time=due_ns / 1e9,
            url=asked.name,
        )
        return Order(answer.outcome, answer.number, answer.error, answer.http_status, captured) if captured else answer

    def _sent_home(self, asked: Asked, due_ns: int, start_ns: int) -> None:
        """Records that the buyer was stopped while they waited for an answer, and how long they had waited."""
        if self.sale.recorder:
            lost = Answer("unknown", asked.number, SENT_HOME)
            self.sale.recorder.ended.append(Ended(asked.buyer, asked.kind, due_ns, start_ns, now_ns(), lost))
