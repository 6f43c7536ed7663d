"""What an answer means by the manifest's rules: the first rule that matches decides. Rules are compiled once, for many answers.

Where the status alone decides, reading is one look into a dictionary. A body is parsed at most once, and only where a rule asks.
"""

import json
import re
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

from loadtest.manifest.http import Buy, Http, Status, Step
from loadtest.manifest.rules import BuyOutcome, BuyRule, Condition, OrderState, StatusRule
from loadtest.talk.heard import MISSING, Heard, Response, as_number, as_text, path_of
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
    """A rule, compiled: `checks` are what it asks of an answer beside the status. `told` is where it finds the order number, as written."""

    position: int
    outcome: Any
    statuses: tuple[int, ...]
    checks: tuple[Check, ...]
    told: str | None
    find: Find | None


class _Rules:
    """Rules, by the HTTP statuses that they may match."""

    def __init__(self, conditions: Sequence[Any], number: str | None = None) -> None:
        self._all = tuple(_compiled(index, each, number) for index, each in enumerate(conditions))
        self._by_status: dict[int, tuple[_Rule, ...]] = {}

    def candidates(self, status: int) -> tuple[_Rule, ...]:
        """The rules that an answer with this status may match, in order, up to the first that it must match."""
        found = self._by_status.get(status)
        if found is None:
            fitting = [rule for rule in self._all if not rule.statuses or status in rule.statuses]
            certain = next((n for n, rule in enumerate(fitting) if not rule.checks), len(fitting))
            found = self._by_status[status] = tuple(fitting[: certain + 1])
        return found


def _compiled(index: int, rule: Any, number: str | None) -> _Rule:
    told = rule.number or number
    return _Rule(
        index, rule.outcome, statuses_of(rule), checks_of(rule), told, finder(told) if told and told != "buyer" else None
    )  # fmt: skip


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
        return lambda heard: (found := heard.at(keys)) is not MISSING and as_text(found) == wanted
    kind = type(wanted)
    return lambda heard: type(found := heard.at(keys)) is kind and bool(found == wanted)


def _matches(pattern: re.Pattern[str]) -> Check:
    return lambda heard: pattern.search(heard.text) is not None


class BuyReader:
    """Reads answers to `buy`, and to `retry`."""

    def __init__(self, buy: Buy) -> None:
        self._rules = _Rules(buy.outcomes, buy.number)
        self._captures = Captures(buy.capture)
        # What the status alone says, where nothing more is to be found in the answer.
        self._plain: dict[int, Reading] = {}

    def read(self, response: Response, buyer: str, kept: Kept = nobodys_cookie) -> Reading:
        """What `response` says to `buyer`, who is their own number where the manifest says so.

        An answer that no rule names is `unknown`. One that says `won` without the number that it should tell is a win, with an error: a
        promise, though nobody can ask after it.
        """
        plain = self._plain.get(response.status)
        return plain or self._read(response, buyer, kept)

    def _read(self, response: Response, buyer: str, kept: Kept) -> Reading:
        status, heard = response.status, Heard(response)
        candidates = self._rules.candidates(status)
        rule = next((rule for rule in candidates if all(check(heard) for check in rule.checks)), None)
        alone = len(candidates) <= 1 and not (candidates and candidates[0].checks)
        if rule is None:
            reading = Reading("unknown", None, f"HTTP {status}, no rule")
        elif rule.outcome in FAILED:
            reading = Reading(rule.outcome, None, f"HTTP {status}", rule.position)
        elif rule.outcome not in WITH_NUMBER:
            reading = Reading(rule.outcome, rule=rule.position)
        else:
            captured = self._captures.take(heard, kept)[0] if self._captures else None
            number = buyer if rule.told == "buyer" else as_number(rule.find(heard)) if rule.find else None
            unnumbered = rule.outcome == "won" and rule.told and number is None
            error = f"HTTP {status} without {rule.told!r} in its answer" if unnumbered else None
            reading = Reading(rule.outcome, number, error, rule.position, captured)
            alone = alone and not (rule.told or self._captures)
        if alone:
            self._plain[status] = reading
        return reading


class StatusReader:
    """Reads answers to `status`."""

    def __init__(self, status: Status) -> None:
        self._rules = _Rules(status.rules)
        self._state = None if status.outcomes else status.state

    def read(self, response: Response) -> Reading:
        """What `response` says of the order, and its number where the rule tells it. One that no rule names is `unknown`."""
        status, heard = response.status, Heard(response)
        for rule in self._rules.candidates(status):
            if all(check(heard) for check in rule.checks):
                number = as_number(rule.find(heard)) if rule.find else None
                return Reading(rule.outcome, number, None, rule.position)
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

    def read(self, response: Response, kept: Kept = nobodys_cookie) -> tuple[dict[str, Any], str | None]:
        """The captured values, and None; or why the step failed: the status, what was expected, and how the answer begins."""
        heard, status = Heard(response), response.status
        expected = None
        if not (status in self._statuses if self._statuses else status < 400):
            expected = "status " + (" or ".join(map(str, self._statuses)) or "below 400")
        else:
            unmet = (named for named, checks in self._parts if not all(check(heard) for check in checks))
            expected = next(unmet, None)
        if expected is not None:
            return {}, f"HTTP {status}, expected {expected}: {beginning(heard)}"
        captured, missing = self._captures.take(heard, kept)
        if missing:
            return {}, f"HTTP {status} without {missing[0]!r} in its answer: {beginning(heard)}"
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


def beginning(heard: Heard) -> str:
    """How the body begins, in one line, without secrets."""
    text = " ".join(masked(heard.text[:2_000]).split())
    return text[:FIRST_CHARACTERS] + "…" if len(text) > FIRST_CHARACTERS else text or "an empty body"


def needs_headers(http: Http) -> bool:
    """Whether anything in the manifest asks for the headers of answers: they cost the client a call each."""
    buy, status = http.buy, http.status
    rules: list[BuyRule | StatusRule] = [*buy.outcomes, *(status.rules if status else ())]
    conditions: list[Condition] = [*rules, *(step.expect for step in http.before)]
    places = [buy.number, *(each.number for each in rules), *buy.capture.values()]
    places += [place for step in http.before for place in step.capture.values()]
    return any(each.header for each in conditions) or asks_for_headers(filter(None, places))
