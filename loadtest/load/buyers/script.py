"""What every buyer of a sale says, and how they understand the answers: the manifest's requests and rules, compiled once a process."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import msgspec

from loadtest.load.buyers.first_answers import Sorts
from loadtest.load.buyers.recorder import begun
from loadtest.load.http.answers import Response
from loadtest.load.http.line import Line
from loadtest.manifest.http import Http
from loadtest.record.history import Kind
from loadtest.talk.filling import Template, Values
from loadtest.talk.places import Kept
from loadtest.talk.reading import BuyReader, Reading, StatusReader, StepReader, needs_headers

Read = Callable[[Response], Reading]


class Asked(msgspec.Struct, frozen=True):
    """One request, prepared: `name` is for the statistics, `data` is what a `Line` sends, `begun` is the line of the history that is
    written before the send, and `read` says what the answer means. `number` is the order whose status is asked for; `sorts` are the
    answers to such requests so far."""

    buyer: str
    kind: Kind
    method: str
    name: str
    data: Any
    begun: bytes
    read: Read
    number: str | None
    sorts: Sorts


class Said(NamedTuple):
    """One request of the manifest, as every buyer sends it."""

    template: Template
    name: str

    def by(
        self, buyer: str, kind: Kind, values: Values, line: Line, read: Read, number: str | None, sorts: Sorts
    ) -> Asked:
        """The request of one buyer, ready to be sent on lines like `line`."""
        method, path, headers, body = self.template.fill(values)
        data = line.request(method, path, headers, body)
        return Asked(buyer, kind, method, self.name, data, begun(buyer, kind), read, number, sorts)


class StepSaid(NamedTuple):
    """One step, and how its answer is read."""

    said: Said
    reader: StepReader

    def read(self, response: Response, kept: Kept, secrets: Callable[[], Iterable[object]]) -> Reading:
        """`ok` with the captured values, or `unknown` with the reason."""
        captured, error = self.reader.read(response, kept, secrets)
        return Reading("unknown", None, error) if error else Reading("ok", captured=captured)


class Script:
    """The requests of a manifest. `warm` and `status` are None where it has none; `headed`: something is read in the headers of answers."""

    def __init__(self, http: Http, sale: str) -> None:
        def said(request: Any) -> Said:
            template = Template(request)
            return Said(template, template.name.replace("{sale}", sale))

        def steps(at: str) -> tuple[StepSaid, ...]:
            return tuple(StepSaid(said(step), StepReader(step)) for step in http.before if step.at == at)

        self.headed = needs_headers(http)
        self.warm = said(http.warm) if http.warm else None
        self.before = steps("before")
        self.click = steps("click")
        self.buy = said(http.buy)
        self.read_buy = BuyReader(http.buy).read
        self.status = said(http.status) if http.status else None
        self.read_status = StatusReader(http.status).read if http.status else read_page


OK = Reading("ok")


def read_page(response: Response) -> Reading:
    """A page is looked at, and nothing in it is: any status below 400 will do."""
    return OK if response.status < 400 else Reading("unknown", None, f"HTTP {response.status}")
