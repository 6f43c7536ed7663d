"""One buyer of a rehearsal, and what was said between them and the shop."""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from loadtest.errors import UsageError
from loadtest.manifest.http import Http, Request
from loadtest.rehearsal.wire import NoAnswerError, Wire
from loadtest.talk.filling import Template
from loadtest.talk.heard import Response
from loadtest.talk.masking import masked
from loadtest.talk.reading import BuyReader, Reading, StatusReader, StepReader

SOON_S = 0.1
LATER_S = 0.5
# An order that nobody knows yet may be known soon; not for longer.
UNKNOWN_S = 2.0


@dataclass(frozen=True)
class Talk:
    """One request and what came of it. `why` says what is wrong with it, in words; empty where it is as expected.

    Args:
        request: as the manifest has it, such as ``GET /orders/{number}``.
        sent: method and path as they left.
        response: None where there was none.
        reading: what a rule made of it; None of a step.
        captured: what later requests name of it.
        took_ms: from sending to the whole answer.
    """

    request: str
    sent: str = ""
    response: Response | None = None
    reading: Reading | None = None
    captured: Mapping[str, Any] = field(default_factory=dict)
    why: str = ""
    took_ms: float = 0
    secrets: tuple[str, ...] = ()

    @property
    def outcome(self) -> str:
        """What it means; ``unknown`` where there was no answer."""
        return self.reading.outcome if self.reading else "unknown"

    @property
    def body(self) -> str:
        """The body without secrets."""
        return masked(self.response.body.decode(errors="replace"), self.secrets) if self.response else ""


class Visitor:
    """A buyer. `values` are their placeholders, to which is added what answers hand them."""

    def __init__(self, http: Http, sale: str, who: Mapping[str, object], wire: Wire) -> None:
        self.http, self.wire = http, wire
        self.values: dict[str, object] = {"sale": sale, **who}
        self.number: str | None = None
        self.state: str | None = None
        self.asked_ns = 0
        self.outcomes: list[str] = []
        self._secrets = {str(value) for name, value in who.items() if name.startswith("buyer.") and "pass" in name}

    @property
    def id(self) -> str:
        """What the rows should call them."""
        return str(self.values["buyer"])

    @property
    def bought(self) -> bool:
        """Whether they were promised a unit, or their order waits, and nobody has told them otherwise since."""
        return bool({"won", "accepted"} & set(self.outcomes)) and self.state != "rejected"

    def warm(self) -> Talk | None:
        """The page that opens the connection, if the manifest has one."""
        return self._ask(self.http.warm, self._page) if self.http.warm else None

    def steps(self, at: str) -> list[Talk]:
        """The steps before T0, or of a click; they end with the first that fails."""
        done: list[Talk] = []
        for step in self.http.before:
            if step.at != at:
                continue
            reader = StepReader(step)
            done.append(self._ask(step, lambda response, reader=reader: self._step(reader, response)))
            if done[-1].why:
                break
        return done

    def buy(self) -> Talk:
        """The purchase itself."""
        self.asked_ns = time.time_ns()
        reader = BuyReader(self.http.buy)
        talk = self._ask(self.http.buy, lambda response: (reader.read(response, self.id, self.wire.cookie), {}))
        reading = talk.reading
        if reading:
            self.outcomes.append(reading.outcome)
            self.values |= reading.captured or {}
            if reading.outcome in ("won", "accepted"):
                self.number = reading.number or self.number
        return talk

    def look(self, patience_s: float) -> list[Talk]:
        """Ask what became of the order until that is decided, or `patience_s` are over."""
        assert self.http.status is not None
        if self.number is not None:
            self.values["number"] = self.number
        reader = StatusReader(self.http.status)
        begun = time.monotonic()
        end = begun + patience_s
        seen: list[Talk] = []
        while True:
            talk = self._ask(self.http.status, lambda response: (reader.read(response), {}))
            if not seen or (talk.outcome, talk.why) != (seen[-1].outcome, seen[-1].why):
                seen.append(talk)
            if talk.outcome in ("confirmed", "rejected"):
                self.state = talk.outcome
                self.number = (talk.reading and talk.reading.number) or self.number
                return seen
            lost = talk.outcome == "unknown" and time.monotonic() > begun + UNKNOWN_S
            if talk.response is None or lost or time.monotonic() > end:
                return seen
            time.sleep(SOON_S if time.monotonic() < begun + 1 else LATER_S)

    def _page(self, response: Response) -> tuple[Reading | None, dict[str, Any], str]:
        return None, {}, "" if response.status < 400 else f"HTTP {response.status}"

    def _step(self, reader: StepReader, response: Response) -> tuple[Reading | None, dict[str, Any], str]:
        captured, failure = reader.read(response, self.wire.cookie)
        self.values |= captured
        self._secrets |= {str(value) for value in captured.values()}
        return None, captured, (failure or "").partition(": ")[0]

    def _ask(self, request: Request, read: Any) -> Talk:
        template, begun = Template(request), time.monotonic()
        sent = ""
        try:
            filled = template.fill(self.values)
            sent = f"{filled.method} {filled.path}"
            response = self.wire.send(filled)
        except (UsageError, NoAnswerError) as error:
            return Talk(request.request, sent, why=str(error), secrets=self.secrets)
        took_ms = (time.monotonic() - begun) * 1000
        reading, captured, *why = read(response)
        said = (reading.error or "") if reading else (why[0] if why else "")
        return Talk(request.request, sent, response, reading, captured, said, took_ms, self.secrets)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be shown of what they hear."""
        return (*self._secrets, *self.wire.secrets)

    def leave(self) -> None:
        """Hang up."""
        with suppress(OSError):
            self.wire.close()
