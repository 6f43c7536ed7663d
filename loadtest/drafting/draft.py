"""A draft of a manifest: what is known of a shop's requests and answers, and the commented TOML file that is made of it."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from loadtest.drafting.seen import Kind
from loadtest.manifest.marks import MARK

SCHEMA_FILE = "manifest.schema.json"
ROWS = f'rows = {{ sql = "SELECT id AS number, user_id AS buyer, created_at FROM {MARK}" }} # your table of orders, and the names of its columns; in another database than Postgres: [truth] url above'

END = [
    "# If orders wait in a queue before they are rows, say which: what waits there is late, not lost.",
    "# [queue]",
    '# kind = "celery" # or rabbitmq, redis_list, redis_stream, bullmq, command',
    '# name = "orders"',
    "",
    "# Where the orders are when the sale is over.",
    "[truth]",
    'url = "{stack.postgres}" # or {stack.mysql}, or any other that SQLAlchemy knows: "sqlite:////path/shop.db"',
    "",
    "[final]",
    '# Leave out the columns that there are not: what cannot be judged then is said. Mongo and the like: rows = { command = ["…"] }, which prints CSV.',
    ROWS,
    "# How many are not sold; with it, units that vanish are seen:",
    '# left = { sql = "SELECT stock FROM products WHERE id = 1" } # or { redis_value = "stock" }',
]


@dataclass(frozen=True)
class Commented:
    """A value, and what is said beside it."""

    value: Any
    why: str


@dataclass
class Part:
    """One request of the manifest, with what is said of it and whatever other keys it has, in their order."""

    request: str | Commented
    headers: dict[str, str] = field(default_factory=dict)
    kind: Kind | None = None
    body: Any = None
    keys: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass
class Rule:
    """A rule for answers: its keys, `is` among them, and what is said of it."""

    keys: dict[str, Any]
    note: str = ""


@dataclass
class Draft:
    """What is known of a shop. `source` says from what: a curl line."""

    source: str
    base_url: str
    buy: Part
    outcomes: list[Rule]
    steps: list[Part] = field(default_factory=list)
    status: Part | None = None
    states: list[Rule] = field(default_factory=list)
    cookies: bool = False


def written(draft: Draft, name: str) -> str:
    """The manifest, for a shop of that name."""
    body = "\n".join([*_start(draft), *_requests(draft), *END])
    marks = marks_in(body)
    left = f"{marks} lines of it are marked: only you know what belongs there." if marks else "Nothing of it is marked."
    head = [
        f"#:schema {SCHEMA_FILE}",
        f"# Drafted by loadtest init from {draft.source}. {left} Every key: docs/manifest.md",
        f"name = {toml(name)}",
    ]
    return "\n".join([*head, "", body, ""])


def marks_in(text: str) -> int:
    """How many lines are marked."""
    return sum(MARK in line.partition(" #")[0] for line in text.splitlines() if not line.startswith("#"))


def _start(draft: Draft) -> list[str]:
    return [
        "# A shop that runs already is bought from where it is. To have it prepared, started and stopped for each sale, take the # away:",
        "# [prepare]",
        '# command = ["{python}", "{here}/prepare.py", "{stock}"]',
        "# [[process]]",
        '# role = "api"',
        '# command = ["{python}", "{here}/app.py", "--port", "{port}"]',
        '# ready_url = "{base_url}/"',
        "",
        "[http]",
        f"base_url = {toml(draft.base_url)} # load goes only here: let it be a test system; with [[process]]: http://127.0.0.1:{{port}}",
        *(["cookies = true # as browsers keep them"] if draft.cookies else []),
        "",
    ]


def _requests(draft: Draft) -> list[str]:
    lines: list[str] = []
    for step in draft.steps:
        lines += [*_part("[[http.before]]", step), ""]
    lines += [*_part("[http.buy]", draft.buy), ""]
    lines += [
        "# What its answers mean: the first rule that matches decides. An answer without a rule is unknown, and proves nothing."
    ]
    for rule in draft.outcomes:
        lines += [*_rule("[[http.buy.outcomes]]", rule), ""]
    if draft.status is None:
        lines += [
            "# If buyers can ask what became of their order, what they are told is held against the rows:",
            "# [http.status]",
            '# request = "GET /orders/{number}"',
            '# state = "status" # of its JSON answer; pending = ["queued"], confirmed = ["confirmed"], rejected = ["rejected"]',
            "",
        ]
        return lines
    lines += [*_part("[http.status]", draft.status), ""]
    for rule in draft.states:
        lines += [*_rule("[[http.status.outcomes]]", rule), ""]
    return lines


def _part(title: str, part: Part) -> list[str]:
    lines = [f"# {note}" for note in part.notes] + [title, _line("request", part.request)]
    if part.headers:
        lines.append(_line("headers", part.headers))
    if part.kind is not None:
        lines.append(_line(part.kind, part.body))
    return [*lines, *(_line(key, value) for key, value in part.keys.items())]


def _rule(title: str, rule: Rule) -> list[str]:
    lines = [_line(key, value) for key, value in rule.keys.items()]
    return [*([f"# {rule.note}"] if rule.note else []), title, *lines]


def _line(key: str, value: Any) -> str:
    if isinstance(value, Commented):
        return f"{key} = {toml(value.value)} # {value.why}"
    if key.startswith("#"):
        return f"# {key[1:]} = {toml(value)}"
    return f"{key} = {toml(value)}"


def toml(value: Any) -> str:
    """A value as TOML writes it in one line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        inner = ", ".join(f"{_key(key)} = {toml(each)}" for key, each in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml, value))}]"
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key, ensure_ascii=False)
