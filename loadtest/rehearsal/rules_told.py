"""Rules of a manifest in words, and what to do about an answer that none of them names."""

import json
from collections.abc import Sequence
from typing import Any

from loadtest.manifest.rules import BuyRule, Condition, StatusRule
from loadtest.rehearsal.visitor import Talk

Rules = Sequence[BuyRule | StatusRule]

# As a sale says it of all its buyers.
MEND = "mend the request of [http.buy] in the manifest, or say in [http.buy.outcomes] what such an answer means"
NAME = "say in [http.buy.outcomes] of the manifest what it means"
NAME_WON = "name what a winner is answered won in [http.buy] outcomes of the manifest, or accepted where the decision comes later"
BODY_REMEDY = (
    "the shop did not take the request: compare its body with what your shop reads (json = { … }, form = { … } or text), "
    "and look at the answer for the field that it misses"
)
# By HTTP status, what an answer that no rule names usually says of the request.
UNNAMED = {
    400: BODY_REMEDY,
    401: 'the shop wants to know who asks: add the log-in as [[http.before]], and send what it gives: headers = { Authorization = "Bearer {token}" }, or cookies = true',
    403: "the shop forbids it: a CSRF token, a log-in or a header is missing; fetch it in [[http.before]] and send it",
    404: "mend the path of request: the shop has nothing there",
    405: "mend the method of request: the shop answers this path, but not so",
    415: 'the shop reads another kind of body: json = { … }, form = { … }, or text with headers = { Content-Type = "…" }',
    422: BODY_REMEDY,
    500: "the shop failed: its log says why; a request that it did not expect is a reason as well",
}


def rule_text(rules: Rules, position: int | None) -> str:
    """``rule 2: json code = 500500``; empty where no rule matched."""
    if position is None:
        return ""
    said = condition_text(rules[position])
    return f"rule {position + 1}: {said}" if said else f"rule {position + 1}, which takes any answer"


def condition_text(condition: Condition) -> str:
    """What it asks of an answer."""
    parts = []
    if condition.status is not None:
        statuses = condition.status if isinstance(condition.status, tuple) else (condition.status,)
        parts.append("status " + " or ".join(map(str, statuses)))
    parts += [f"json {key} = {_written(value)}" for key, value in condition.in_json.items()]
    parts += [f"header {name} with {text!r}" for name, text in condition.header.items()]
    parts += [f"contains {condition.contains!r}"] if condition.contains else []
    parts += [f"matches {condition.matches!r}"] if condition.matches else []
    return ", ".join(parts)


def _written(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def remedy_for_unnamed(talk: Talk, meaning: str) -> str:
    """What to do about an answer to a purchase that no rule names. `meaning`: what it should be taken for, if it is as it should be."""
    if talk.response is None:
        return (
            "see that base_url is where the shop listens (with [[process]]: http://127.0.0.1:{port}), and that it is up"
        )
    status = talk.response.status
    rule = suggested_rule(talk, meaning)
    if status in UNNAMED:
        return f"{MEND}: {UNNAMED[status]}. If this is how the shop says {meaning}: {rule}"
    if 300 <= status < 400:
        return f"{MEND}: the shop leads elsewhere, often to its log-in, which [[http.before]] is for. If this is how it says {meaning}: {rule}"
    return f"{NAME_WON if meaning == 'won' else NAME}: {rule}"


def suggested_rule(talk: Talk, meaning: str) -> str:
    """A rule, as one would write it, that this answer meets."""
    status = talk.response.status if talk.response else 200
    return f'status = {status}{_distinguishing(talk)}, is = "{meaning}"'


def _distinguishing(talk: Talk) -> str:
    """What in a JSON answer says what it means, if something does."""
    try:
        answer = json.loads(talk.response.body) if talk.response else None
    except ValueError:
        return ""
    if isinstance(answer, dict):
        for key in ("code", "success", "ok", "status", "state", "error", "message", "msg", "detail"):
            if isinstance(answer.get(key), str | int | bool) and len(str(answer[key])) < 60:
                return f", json = {{ {key} = {_written(answer[key])} }}"
    return ""
