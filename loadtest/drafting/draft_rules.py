"""Rules for answers that somebody saw: by the least that tells them apart, a status, a code, or a text."""

import re
from collections.abc import Sequence
from typing import Any

from loadtest.drafting.draft import Commented, Rule
from loadtest.drafting.guesses import ALREADY, SOLD_OUT, THROTTLED
from loadtest.drafting.seen import Answer, Seen
from loadtest.drafting.tracing import leaves

ID = re.compile(r"^(id|.*_?(id|number|no|num|uuid|code_no))$|orderid|ordernumber", re.IGNORECASE)
# A key whose value says what an answer means.
MEANS = re.compile(r"^(code|success|ok|state|status|result|errno|err_?code|error_?code|ret)$", re.IGNORECASE)
GONE = re.compile(
    r"sold.?out|out.of.stock|no.stock|over|ended|empty|nothing.left|gone|售罄|已售|抢光|库存不足|结束", re.IGNORECASE
)
TWICE = re.compile(r"already|duplicate|repeat|once|twice|重复|已经", re.IGNORECASE)
WAITS = re.compile(r"^(queued|queueing|queuing|pending|processing|waiting|accepted|created|new|0)$", re.IGNORECASE)


def outcome_rules(bought: Seen, again: Sequence[Seen], numbered: bool) -> list[Rule]:
    """Rules for the purchase that succeeded, and for further ones that may not have."""
    won = bought.answer
    if won is None:
        return [SOLD_OUT, ALREADY, THROTTLED, Rule({"status": [200, 201, 202], "is": "won"})]
    others = [each.answer for each in again if each.answer]
    rules: list[Rule] = []
    for answer in others:
        rule = _distinct(answer, won)
        meaning = _meaning(answer)
        if rule and all(known.keys.get("is") != meaning for known in rules):
            rules.append(Rule({**rule, "is": meaning}))
    if all(rule.keys["is"] != "sold_out" for rule in rules):
        rules.append(SOLD_OUT)
    if all(rule.keys["is"] != "already_bought" for rule in rules) and won.status != ALREADY.keys["status"]:
        rules.append(ALREADY)
    outcome: Any = "won"
    if not numbered:
        outcome = Commented("accepted", 'its answer names no order; "won", if it promises one all the same')
    return [*rules, Rule({"status": won.status, **_json(won), "is": outcome})]


def _meaning(answer: Answer) -> str:
    if answer.status == 429:
        return "throttled"
    if answer.status == 409 or TWICE.search(answer.text):
        return "already_bought"
    return "sold_out" if answer.status == 410 or GONE.search(answer.text) else "already_bought"


def _json(answer: Answer) -> dict[str, Any]:
    """The key of its JSON that says what it means, if there is one."""
    for key, value in leaves(answer.json):
        if "." not in key and MEANS.fullmatch(key):
            return {"json": {key: value}}
    return {}


def _distinct(answer: Answer, won: Answer) -> dict[str, Any]:
    """What tells `answer` from the one that `won`; empty where nothing does."""
    if answer.status != won.status:
        return {"status": answer.status}
    mine, theirs = dict(leaves(answer.json)), dict(leaves(won.json))
    for key, value in mine.items():
        if theirs.get(key) != value and len(str(value)) < 60 and not ID.search(key.rpartition(".")[2]):
            return {"json": {key: value}}
    text = answer.text.strip()
    return {"contains": text[:60]} if text and not mine and text != won.text.strip() else {}


def order_rules(poll: Sequence[Seen], number: str | None) -> list[Rule]:
    """Rules for what was told of the order: the last answer confirms, those before it that differ said to wait."""
    answers = [each.answer for each in poll if each.answer and each.answer.json is not None]
    if not answers:
        return []
    last = dict(leaves(answers[-1].json))
    rules: list[Rule] = []
    for answer in answers[:-1]:
        for key, value in leaves(answer.json):
            if (
                last.get(key) != value
                and all(rule.keys["json"] != {key: value} for rule in rules)
                and len(str(value)) < 60
            ):
                rules.append(Rule({"json": {key: value}, "is": "pending"}))
                break
    changed = next(iter(rules[0].keys["json"]), None) if rules else _state(last)
    if changed is None:
        return [Rule({"status": 200, "is": "confirmed"})]
    value = last.get(changed)
    if not number and _is_number(value):
        return [
            *(rules or [Rule({"json": {changed: 0}, "is": "pending"})]),
            Rule({"json": {changed: -1}, "is": "rejected"}, "A guess: nobody was rejected in the recording."),
            Rule({"json": _json_of(answers[-1], changed), "is": "confirmed", "number": f"json:{changed}"}),
        ]
    if not rules:
        rules = [
            Rule(
                {"json": {changed: "queued"}, "is": "pending"},
                "A guess: the recording has no answer that says to wait.",
            )
        ]
    return [*rules, Rule({"json": {changed: value}, "is": "confirmed"})]


def _is_number(value: Any) -> bool:
    return not isinstance(value, bool) and bool(re.fullmatch(r"\d{6,}|[0-9a-f-]{16,}", str(value), re.IGNORECASE))


def _json_of(answer: Answer, changed: str) -> dict[str, Any]:
    """What else the confirming answer says, beside the number."""
    found = _json(answer).get("json", {})
    return {key: value for key, value in found.items() if key != changed}


def _state(told: dict[str, Any]) -> str | None:
    return next((key for key in told if re.search(r"(^|\.)(state|status|result|data)$", key, re.IGNORECASE)), None)
