"""A whole conversation of one buyer with a shop: which request bought, which logged in, which asked afterwards, and what hands what to whom."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from loadtest.drafting.draft import Commented, Draft, Part
from loadtest.drafting.draft_rules import ID, order_rules, outcome_rules
from loadtest.drafting.guesses import LOGIN, part_of
from loadtest.drafting.seen import CSRF, HIDDEN, PASSWORD, SECRET, Seen
from loadtest.drafting.tracing import leaves, place_of, trace
from loadtest.errors import UsageError
from loadtest.manifest.marks import MARK

BUY = re.compile(r"buy|order|purchase|checkout|seckill|kill|claim|book|reserv|ticket|grab|pay|bid", re.IGNORECASE)
STATUS = re.compile(r"status|result|order|task|poll|query", re.IGNORECASE)
NEXT = re.compile(r"[^/?=&]+")


def draft_of_conversation(requests: Sequence[Seen], source: str) -> Draft:
    """A draft of the shop that was talked with.

    Raises:
        UsageError: no request looks like a purchase.
    """
    bought = purchase(requests, source)
    same = [request for request in requests if request.origin == requests[bought].origin]
    bought = same.index(requests[bought])
    first = same[bought]
    links = _Links(same[:bought])
    buy = links.part(first)
    steps = links.steps()
    again = [
        request for request in same[bought + 1 :] if (request.method, _shape(request)) == (first.method, _shape(first))
    ]
    asked = [request for request in same[bought + 1 :] if request.method == "GET"]
    number, poll = _poll(first, asked)
    draft = Draft(
        source=source, base_url=first.origin, buy=buy, outcomes=outcome_rules(first, again, bool(number)), steps=steps
    )
    draft.cookies = any(name.lower() == "cookie" for name in first.headers)
    buy.notes.append("The purchase, as it was recorded." + ("" if number else " Its answer tells no order number."))
    if number:
        buy.keys["number"] = number
    if poll:
        draft.status, captured = _status(poll[0], first, links, number)
        buy.keys |= {"capture": captured} if captured else {}
        draft.states = order_rules(poll, number)
    return draft


def purchase(requests: Sequence[Seen], source: str) -> int:
    """The position of the request that bought. Raises UsageError where none looks like it."""
    found = [
        n
        for n, request in enumerate(requests)
        if request.method in ("POST", "PUT", "PATCH") and not _logs_in(request) and BUY.search(request.path)
    ]
    if not found:
        posts = (
            ", ".join(f"{request.method} {request.path}" for request in requests if request.method != "GET")
            or "none but GET"
        )
        raise UsageError(
            f"{source}: no request in it looks like a purchase, such as POST /orders; found {posts[:200]}; record one in which you buy"
        )
    # What is asked again and again is no preparation: the last kind of them buys, and the first of that kind is the purchase.
    last = requests[found[-1]]
    return next(n for n in found if _shape(requests[n]) == _shape(last))


def _logs_in(request: Seen) -> bool:
    fields = request.body if isinstance(request.body, dict) else {}
    return any(PASSWORD.fullmatch(key) for key in fields) or bool(
        LOGIN.search(request.path) and not BUY.search(request.path)
    )


def _shape(request: Seen) -> str:
    """The path without what differs from buyer to buyer."""
    return re.sub(r"\d+", "0", HIDDEN.sub("*", request.path))


class _Links:
    """The requests before a purchase, and what later ones take from their answers."""

    def __init__(self, before: Sequence[Seen]) -> None:
        self.before = before
        self.captures: dict[int, dict[str, str]] = {}
        self.in_path: set[int] = set()
        self.parts: dict[int, Part] = {}
        for n, request in enumerate(before):
            if _logs_in(request) and request.method == "POST":
                self._need(n)

    def part(self, request: Seen, before: int | None = None) -> Part:
        """The request as the manifest has it. Values that an earlier answer gave are captured there."""
        known = self.before[:before]
        values = {**request.secrets, **(request.body if isinstance(request.body, dict) else {})}
        names = {
            key: self._capture(key, str(value), known)
            for key, value in values.items()
            if SECRET.fullmatch(key) and not PASSWORD.fullmatch(key)
        }
        path = self._hidden(request.path, known)
        part = part_of(replace(request, target=path + request.target[len(request.path) :]))
        for key, name in names.items():
            if name and key in part.headers:
                part.headers[key] = re.sub(r"\{\w+\}", f"{{{name}}}", part.headers[key])
            if name and isinstance(part.body, dict) and key in part.body:
                part.body[key] = f"{{{name}}}"
        return part

    def _capture(self, key: str, value: str, known: Sequence[Seen]) -> str | None:
        """The name under which the answer that gave `value` captures it."""
        bare = value.split(" ", 1)[1] if re.match(r"(Bearer|Token|JWT|Basic) ", value) else value
        found = trace(bare, known)
        if found is None or key.lower() == "cookie":
            return None
        name = "csrf" if CSRF.fullmatch(key) else "token"
        self._need(found.request)
        self.captures[found.request][name] = found.place
        return name

    def _hidden(self, path: str, known: Sequence[Seen]) -> str:
        """The path, with a placeholder for a part of it that an earlier answer gave."""
        for segment in path.strip("/").split("/"):
            found = trace(segment, known) if HIDDEN.fullmatch(segment) else None
            if found:
                self._need(found.request)
                self.captures[found.request]["path"] = found.place
                self.in_path.add(found.request)
                return path.replace(segment, "{path}", 1)
        return path

    def _need(self, n: int) -> None:
        if n not in self.captures:
            self.captures[n] = {}
            self.parts[n] = self.part(self.before[n], n)

    def steps(self) -> list[Part]:
        """The requests that are needed before the purchase, in their order, with what is captured of their answers."""
        made = []
        for n in sorted(self.captures):
            part, request = self.parts[n], self.before[n]
            part.keys |= (
                {"at": Commented("click", 'part of the purchase; "before" if it is there before the sale opens')}
                if n in self.in_path
                else {}
            )
            if request.answer and request.answer.status >= 300:
                part.keys["expect"] = {"status": request.answer.status}
            code = (
                (request.answer.json or {}).get("code")
                if request.answer and isinstance(request.answer.json, dict)
                else None
            )
            if isinstance(code, int | str):
                part.keys["expect"] = {"json": {"code": code}}
            if self.captures[n]:
                part.keys["capture"] = self.captures[n]
            if _logs_in(request) and request.method == "POST":
                for key in part.body if isinstance(part.body, dict) else ():
                    part.body[key] = MARK if PASSWORD.fullmatch(key) else part.body[key]
                part.notes.append(
                    "Each buyer logs in before the sale. Passwords were not written: put in that of your test users, or name them in a file: "
                    '[buyers] file = "users.csv", whose columns are {buyer.COLUMN}.'
                )
            made.append(part)
        return made


def _poll(bought: Seen, asked: Sequence[Seen]) -> tuple[str | None, list[Seen]]:
    """Where the purchase's answer has the order's number, and the requests by which the buyer asked after it."""
    told = dict(leaves(bought.answer.json)) if bought.answer else {}
    ids = [key for key, value in told.items() if ID.search(key.rpartition(".")[2]) and _names(value)]
    number = max(ids, key=lambda key: len(re.findall(r"number|order", key, re.IGNORECASE)), default=None)
    if number is None and bought.answer:
        location = next((text for name, text in bought.answer.headers if name.lower() == "location"), None)
        if location and (found := re.search(r"/([\w-]+)/?$", location)) and bought.answer.status in (201, 202):
            return "header:Location", [request for request in asked if found[1] in request.target]
    given = [str(told[key]) for key in ids]
    poll = [request for request in asked if any(each in NEXT.findall(request.target) for each in given)]
    poll = poll or [
        request
        for request in asked
        if STATUS.search(request.path) and request.answer and request.answer.json is not None
    ]
    return (f"json:{number}" if number else None), [
        request for request in poll if _shape(request) == _shape(poll[0])
    ] if poll else []


def _names(value: Any) -> bool:
    return not isinstance(value, bool) and str(value) not in ("", "0", "-1")


def _status(poll: Seen, bought: Seen, links: _Links, number: str | None) -> tuple[Part, dict[str, str]]:
    """The request after an order, and what `buy` must capture for it beside the number."""
    told = dict(leaves(bought.answer.json)) if bought.answer else {}
    captured: dict[str, str] = {}
    target = poll.target
    for key, value in told.items():
        if (
            _names(value)
            and str(value) in NEXT.findall(target)
            and (ID.search(key.rpartition(".")[2]) or len(str(value)) > 3)
        ):
            is_number = place_of(str(value), bought) == number
            name = "number" if is_number else re.sub(r"\W+", "_", key.rpartition(".")[2]).lower()
            captured |= {} if is_number else {name: f"json:{key}"}
            target = re.sub(rf"(?<=[/=]){re.escape(str(value))}(?=$|[/?&])", f"{{{name}}}", target)
            break
    part = links.part(replace(poll, target="/"))
    method, _, _ = str(part.request).partition(" ")
    part.request = f"{method} {target}"
    part.notes.append("How a buyer asks what became of the order.")
    return part, captured
