"""Bodies: what the shop said, in the first bodies of each kind of answer, as the generators kept them.

They decide nothing: a doubt about a manifest shows them, and so do the report and ``verdict.json``.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

MOST = 40
EACH = 3
BODY = 2000


@dataclass(frozen=True)
class FirstAnswer:
    """A kind of answer, and one of its first bodies: `n` requests had it.

    Args:
        kind: of the operation, such as ``buy``.
        request: such as ``POST /buy``.
        status: of HTTP.
        outcome: what the manifest takes it for.
        rule: which of the manifest's rules matched, from 0; None: none did.
        body: as far as it was kept, without secrets.
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
    """The answers in the files of `folder`, the most frequent kind first, at most `MOST`. A line that does not parse is passed over.

    Of each kind there are up to `EACH` bodies; those that have further ones count with the first.
    """
    kinds: dict[tuple[Any, ...], list[FirstAnswer]] = {}
    for each in _lines(folder):
        kind = kinds.setdefault((each.kind, each.request, each.status, each.outcome, each.rule), [])
        place = next((n for n, known in enumerate(kind) if known.body == each.body), 0 if len(kind) == EACH else None)
        if place is None:
            kind.append(each)
        else:
            kind[place] = replace(kind[place], n=kind[place].n + each.n)
    ordered = sorted(kinds.values(), key=lambda kind: -sum(each.n for each in kind))
    return tuple(each for kind in ordered for each in kind)[:MOST]


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
