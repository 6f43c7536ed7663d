"""First answers: what the shop said, in the first body of each kind of answer, as the generators kept it.

They decide nothing: a doubt about a manifest shows them, and so do the report and ``verdict.json``.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

KINDS = 40
BODY = 2000


@dataclass(frozen=True)
class FirstAnswer:
    """One kind of answer: `n` requests had it.

    Args:
        kind: of the operation, such as ``buy``.
        request: such as ``POST /buy``.
        status: of HTTP.
        outcome: what the manifest takes it for.
        rule: which of the manifest's rules matched, from 0; None: none did.
        body: the first one, as far as it was kept.
        n: how many requests were answered so.
    """

    kind: str
    request: str
    status: int | None
    outcome: str
    rule: int | None
    body: str
    n: int


def read_answers(folder: Path) -> tuple[FirstAnswer, ...]:
    """The kinds of answer in the files of `folder`, the most frequent first, at most `KINDS`. A line that does not parse is passed over."""
    found: dict[tuple[Any, ...], FirstAnswer] = {}
    for each in _lines(folder):
        key = (each.kind, each.request, each.status, each.outcome, each.rule)
        known = found.get(key)
        found[key] = replace(known, n=known.n + each.n, body=known.body or each.body) if known else each
    return tuple(sorted(found.values(), key=lambda each: -each.n)[:KINDS])


def open_answers(db: Any, answers: tuple[FirstAnswer, ...]) -> None:
    """Create the table ``answers``: kind, request, status, outcome, rule, body, n."""
    columns = "kind VARCHAR, request VARCHAR, status INTEGER, outcome VARCHAR, rule INTEGER, body VARCHAR, n BIGINT"
    db.execute(f"CREATE TEMP TABLE answers ({columns})")
    for each in answers:
        row = [each.kind, each.request, each.status, each.outcome, each.rule, each.body, each.n]
        db.execute("INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?, ?)", row)


def _lines(folder: Path) -> Iterator[FirstAnswer]:
    for file in sorted(folder.glob("*.jsonl")):
        for line in file.read_text(encoding="utf-8", errors="replace").split("\n"):
            with suppress(ValueError, TypeError, KeyError, AttributeError):
                yield _answer(json.loads(line))


def _answer(data: dict[str, Any]) -> FirstAnswer:
    status, rule = data.get("status"), data.get("rule")
    return FirstAnswer(
        str(data["kind"]), str(data.get("request") or ""), status if isinstance(status, int) else None, str(data["outcome"]),
        rule if isinstance(rule, int) else None, str(data.get("body") or "")[:BODY], int(data.get("n") or 1),
    )  # fmt: skip
