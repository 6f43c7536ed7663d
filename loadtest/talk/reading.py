"""What an answer means by the manifest's rules: the first rule that matches decides. Rules are compiled once, for many answers.

Where the status alone decides, reading is one look into a dictionary. A body is parsed at most once, and only where a rule asks.
"""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, NamedTuple

from loadtest.manifest.http import Buy, Http, Status, Step
from loadtest.manifest.rules import BuyOutcome, BuyRule, Condition, OrderState, StatusRule, split_place
from loadtest.talk.heard import MISSING, Heard, Response, as_number, as_text, number_at, path_of
from loadtest.talk.masking import masked
from loadtest.talk.places import Captures, Find, Kept, asks_for_headers, finder, nobodys_cookie

Check = Callable[[Heard], bool]
FAILED = ("unknown", "refused")
WITH_NUMBER = ("won", "accepted", "already_bought")
FIRST_CHARACTERS = 200


class Reading(NamedTuple):
    """What one answer means; `ok` is a page or a step that went well. `rule` is the position of the rule that matched, from 0; `error` says why it is a failure; `captured` has
    the values that later requests name."""

    outcome: BuyOutcome | OrderState | Literal["ok"]
    number: str | None = None
    error: str | None = None
    rule: int | None = None
    captured: dict[str, Any] | None = None


class _Rule(NamedTuple):
    """A rule, compiled.

    Args:
        position: among the rules of the manifest, from 0.
        outcome: what it takes an answer for.
        statuses: those that it names; empty: any.
        checks: what it asks of an answer beside the status.
        told: where it finds the order number, as the manifest has it.
        find: the function that does; None where there is no number, or it is the buyer.
        keys: the same where that is a place in JSON.
        orders: whether such an answer may tell an order number.
        plain: what it says where nothing more is to be found in an answer.
    """

    position: int
    outcome: Any
    statuses: tuple[int, ...]
    checks: tuple[Check, ...]
    told: str | None
    find: Find | None
    keys: tuple[str, ...] | None
    orders: bool
    plain: "Reading"


class _Rules:
    """Rules, by the HTTP statuses that they may match."""

    def __init__(self, conditions: Sequence[Any], number: str | None = None) -> None:
        self._all = tuple(_compiled(position, each, number) for position, each in enumerate(conditions))
        self._by_status: dict[int, tuple[_Rule, ...]] = {}

    def candidates(self, status: int) -> tuple[_Rule, ...]:
        """The rules that an answer with this status may match, in order, up to the first that it must match."""
        found = self._by_status.get(status)
        if found is None:
            fitting = [rule for rule in self._all if not rule.statuses or status in rule.statuses]
            certain = next((n for n, rule in enumerate(fitting) if not rule.checks), len(fitting))
            found = self._by_status[status] = tuple(fitting[: certain + 1])
        return found

    def match(self, response: Response) -> tuple[_Rule | None, Heard | None]:
        """The first rule that matches, and the answer as far as it had to be looked at."""
        status, heard = response.status, None
        for rule in self._by_status.get(status) or self.candidates(status):
            if not rule.checks:
                return rule, heard
            heard = heard or Heard(response)
            for check in rule.checks:
                if not check(heard):
                    break
            else:
                return rule, heard
        return None, heard


def _compiled(position: int, rule: Any, number: str | None) -> _Rule:
    told = rule.number or number
    find = finder(told) if told and told != "buyer" else None
    plain = Reading(rule.outcome, rule=position)
    keys = path_of(split_place(told)[1]) if find and told and split_place(told)[0] == "json" else None
    orders = rule.outcome in WITH_NUMBER
    return _Rule(position, rule.outcome, statuses_of(rule), checks_of(rule), told, find, keys, orders, plain)


def statuses_of(condition: Condition) -> tuple[int, ...]:
    """The statuses that `condition` allows; empty where it allows any."""
    status = condition.status
    return () if status is None else status if isinstance(status, tuple) else (status,)


def checks_of(condition: Condition) -> tuple[Check, ...]:
    """What `condition` asks for beside the status, the cheapest first."""
    checks = [_header(name, text) for name, text in condition.header.items()]
    if condition.contains is not None:
        checks.append(_contains(condition.contains))
    checks += [_json(key, value) for key, value in condition.in_json.items()]
    if condition.matches is not None:
        checks.append(_matches(re.compile(condition.matches)))
    return tuple(checks)


def _header(name: str, text: str) -> Check:
    header = name.lower().encode()
    return lambda heard: any(text in value for value in heard.headers(header))


def _contains(text: str) -> Check:
    # A JSON answer may write what is not ASCII as \uXXXX.
    written = {text.encode(), *(json.dumps(text)[1:-1].encode() for _ in range(not text.isascii()))}
    return lambda heard: any(each in heard.response.body for each in written)


def _json(key: str, wanted: Any) -> Check:
    keys = path_of(key)
    if isinstance(wanted, str):

        def check(heard: Heard) -> bool:
            found = heard.at(keys)
            return found == wanted if type(found) is str else found is not MISSING and as_text(found) == wanted

        return check
    kind = type(wanted)
    return lambda heard: type(found := heard.at(keys)) is kind and bool(found == wanted)


def _matches(pattern: re.Pattern[str]) -> Check:
    return lambda heard: pattern.search(heard.text) is not None


class BuyReader:
    """Reads answers to `buy`, and to `retry`."""

    def __init__(self, buy: Buy) -> None:
        self._rules = _Rules(buy.outcomes, buy.number)
        self._captures = Captures(buy.capture)
        # What the status alone says: where nothing more is to be found in the answer, and where only a number is, in JSON.
        self._plain: dict[int, Reading] = {}
        self._numbered: dict[int, tuple[Any, tuple[str, ...], str | None, int]] = {}

    def read(self, response: Response, buyer: str, kept: Kept = nobodys_cookie) -> Reading:
        """What `response` says to `buyer`, who is their own number where the manifest says so.

        An answer that no rule names is `unknown`. One that says `won` without the number that it should tell is a win, with an error: a
        promise, though nobody can ask after it.
        """
        status = response.status
        if (plain := self._plain.get(status)) is not None:
            return plain
        if (numbered := self._numbered.get(status)) is None:
            return self._read(response, buyer, kept)
        outcome, keys, missing, position = numbered
        number = number_at(response.body, keys)
        # Reading(…) would cost a call.
        return tuple.__new__(Reading, (outcome, number, missing if number is None else None, position, None))

    def _read(self, response: Response, buyer: str, kept: Kept) -> Reading:
        status = response.status
        rule, heard = self._rules.match(response)
        if rule is None:
            reading = Reading("unknown", None, f"HTTP {status}, no rule")
        elif rule.orders and (rule.told or self._captures):
            if heard is None and rule.keys is not None and not self._captures:
                self._numbered[status] = rule.outcome, rule.keys, _unnumbered(rule, status), rule.position
            return self._of_an_order(rule, heard or Heard(response), buyer, kept)
        elif rule.outcome in FAILED:
            reading = Reading(rule.outcome, None, f"HTTP {status}", rule.position)
        else:
            reading = rule.plain
        if heard is None:
            self._plain[status] = reading
        return reading

    def _of_an_order(self, rule: _Rule, heard: Heard, buyer: str, kept: Kept) -> Reading:
        captured = self._captures.take(heard, kept)[0] if self._captures else None
        number = as_number(rule.find(heard)) if rule.find else buyer if rule.told else None
        error = _unnumbered(rule, heard.response.status) if number is None else None
        return Reading(rule.outcome, number, error, rule.position, captured)


def _unnumbered(rule: _Rule, status: int) -> str | None:
    """The error of an answer that has no number, where it should."""
    return f"HTTP {status} without {rule.told!r} in its answer" if rule.told and rule.outcome == "won" else None


class StatusReader:
    """Reads answers to `status`."""

    def __init__(self, status: Status) -> None:
        self._rules = _Rules(status.rules)
        self._state = None if status.outcomes else status.state

    def read(self, response: Response) -> Reading:
        """What `response` says of the order, and its number where the rule tells it. One that no rule names is `unknown`."""
        status = response.status
        rule, heard = self._rules.match(response)
        heard = heard or Heard(response)
        if rule is not None:
            return Reading(rule.outcome, as_number(rule.find(heard)), None, rule.position) if rule.find else rule.plain
        if self._state is None:
            return Reading("unknown", None, f"HTTP {status}, no rule")
        state = as_number(heard.at(path_of(self._state))) if status == 200 else None
        return Reading("unknown", None, f"HTTP {status}, {self._state} {state!r}")


class StepReader:
    """Reads answers to a step before a purchase, such as a log-in."""

    def __init__(self, step: Step) -> None:
        self._statuses = statuses_of(step.expect)
        self._parts = [(_named(part), checks_of(part)) for part in _parts(step.expect)]
        self._captures = Captures(step.capture)

    def read(
        self, response: Response, kept: Kept = nobodys_cookie, secrets: Callable[[], Iterable[object]] = tuple
    ) -> tuple[dict[str, Any], str | None]:
        """The captured values, and None; or why the step failed: the status, what was expected, and how the answer begins, without
        `secrets`."""
        heard, status = Heard(response), response.status
        expected = None
        if not (status in self._statuses if self._statuses else status < 400):
            expected = "status " + (" or ".join(map(str, self._statuses)) or "below 400")
        else:
            unmet = (named for named, checks in self._parts if not all(check(heard) for check in checks))
            expected = next(unmet, None)
        if expected is not None:
            return {}, f"HTTP {status}, expected {expected}: {beginning(heard, secrets())}"
        captured, missing = self._captures.take(heard, kept)
        if missing:
            return {}, f"HTTP {status} without {missing[0]!r} in its answer: {beginning(heard, secrets())}"
        return captured, None


def _parts(expect: Condition) -> list[Condition]:
    """`expect`, in pieces of one thing each, so that the one that an answer lacks can be named."""
    pieces = [Condition(in_json={key: value}) for key, value in expect.in_json.items()]
    pieces += [Condition(header={name: text}) for name, text in expect.header.items()]
    pieces += [Condition(contains=expect.contains)] if expect.contains is not None else []
    pieces += [Condition(matches=expect.matches)] if expect.matches is not None else []
    return pieces


def _named(piece: Condition) -> str:
    for key, value in piece.in_json.items():
        return f"json {key} = {json.dumps(value, ensure_ascii=False)}"
    for name, text in piece.header.items():
        return f"header {name} with {text!r}"
    return f"a body with {piece.contains!r}" if piece.contains is not None else f"a body that matches {piece.matches!r}"


def beginning(heard: Heard, secrets: Iterable[object] = ()) -> str:
    """How the body begins, in one line, without secrets."""
    text = " ".join(masked(heard.text[:2_000], secrets).split())
    return text[:FIRST_CHARACTERS] + "…" if len(text) > FIRST_CHARACTERS else text or "an empty body"


def needs_headers(http: Http) -> bool:
    """Whether anything in the manifest asks for the headers of answers: they cost the client a call each."""
    buy, status = http.buy, http.status
    rules: list[BuyRule | StatusRule] = [*buy.outcomes, *(status.rules if status else ())]
    conditions: list[Condition] = [*rules, *(step.expect for step in http.before)]
    places = [buy.number, *(each.number for each in rules), *buy.capture.values()]
    places += [place for step in http.before for place in step.capture.values()]
    return any(each.header for each in conditions) or asks_for_headers(filter(None, places))
