"""The first bodies of each sort of answer, kept for whoever asks what the shop really said: ``answers/<generator>.jsonl`` of a run.

One line a body: the kind of operation, the request as the manifest has it, the HTTP status, what that was taken for and by which rule, the
body without secrets, and `n` answers that it stands for. The first body of a sort also stands for all answers that were not kept, so that
the lines of a sort add up to its answers.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from loadtest.load.http.answers import Response
from loadtest.talk.masking import masked
from loadtest.talk.reading import Reading

MOST = 3
MAX_BODY = 2_000
# After so many answers of a sort no further body is looked at, though there be fewer different ones.
LOOKS = 50
# What is masked, before it is cut: a secret that the cut went through would not be found.
MARGIN = 4_000


@dataclass(slots=True)
class Body:
    """A body that is kept, and how many answers had it."""

    text: str
    n: int = 1


@dataclass(slots=True)
class Sort:
    """The answers of one sort. `looks`: how many of all `n` were looked at; `full`: there is nothing to be done but to count."""

    bodies: dict[bytes, Body] = field(default_factory=dict)
    n: int = 0
    looks: int = 0
    full: bool = False


# The answers to one request: by HTTP status, what they were taken for, and by which rule.
Sorts = dict[tuple[int, str, int | None], Sort]


def note(sorts: Sorts, response: Response, reading: Reading, secrets: Callable[[], Iterable[object]]) -> None:
    """Counts one answer, and keeps its body if it is among the first of its sort. What `secrets` returns is not shown in it."""
    sort = sorts.setdefault((response.status, reading.outcome, reading.rule), Sort())
    sort.n += 1
    if sort.full:
        return
    sort.looks += 1
    body = response.body[:MARGIN]
    if known := sort.bodies.get(body):
        known.n += 1
    else:
        hidden = [*secrets(), *(reading.captured or {}).values()]
        sort.bodies[body] = Body(masked(body.decode(errors="replace"), hidden)[:MAX_BODY])
    sort.full = len(sort.bodies) == MOST or sort.looks == LOOKS


class FirstAnswers:
    """The first answers of one process, written to `path` when closed, if there is one."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._all: dict[tuple[str, str], Sorts] = {}
        self._closed = False

    def to(self, kind: str, request: str) -> Sorts:
        """The answers to `request`, such as ``POST /buy``, of a kind of operation: for `note`."""
        return self._all.setdefault((kind, request), {})

    def close(self) -> None:
        """Writes the file. A second call does nothing."""
        if self._closed or self._path is None:
            return
        self._closed = True
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in self._lines())

    def _lines(self) -> Iterable[dict[str, object]]:
        for (kind, request), sorts in self._all.items():
            for (status, outcome, rule), sort in sorts.items():
                told = {"kind": kind, "request": request, "status": status, "outcome": outcome, "rule": rule}
                unseen = sort.n - sort.looks
                for body in sort.bodies.values():
                    yield {**told, "body": body.text, "n": body.n + unseen}
                    unseen = 0
