"""The first bodies of each kind of answer, kept for whoever asks what the shop really said: ``answers/<generator>.jsonl`` of a run.

One line a body: its kind of operation, the request as the manifest has it, the HTTP status, what that was taken for and by which rule, the
body without secrets, and `n` answers that it stands for. The first body of a kind also stands for all answers that were not kept, so that
the lines of a kind add up to its answers.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from loadtest.load.buyers.script import Asked
from loadtest.load.http.answers import Response
from loadtest.talk.masking import masked
from loadtest.talk.reading import Reading

MOST = 3
MAX_BODY = 2_000
# After so many answers of a kind no further body is looked at, though there be fewer different ones.
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
    """The answers of one kind to one request. `looks`: how many of all `n` were looked at."""

    method: str
    bodies: dict[bytes, Body] = field(default_factory=dict)
    n: int = 0
    looks: int = 0
    full: bool = False


class FirstAnswers:
    """The first answers of one process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._sorts: dict[tuple[object, ...], Sort] = {}
        self._closed = False

    def note(self, asked: Asked, response: Response, reading: Reading, secrets: Callable[[], Iterable[object]]) -> None:
        """Count one answer, and keep its body if it is among the first of its kind. What `secrets` returns is not shown in it."""
        key = (asked.kind, asked.name, response.status, reading.outcome, reading.rule)
        sort = self._sorts.get(key)
        if sort is None:
            sort = self._sorts[key] = Sort(asked.method)
        sort.n += 1
        if not sort.full:
            self._look(sort, response.body[:MARGIN], lambda: [*secrets(), *(reading.captured or {}).values()])

    def close(self) -> None:
        """Write the file. A second call does nothing."""
        if self._closed:
            return
        self._closed = True
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in self._lines())

    @staticmethod
    def _look(sort: Sort, body: bytes, secrets: Callable[[], Iterable[object]]) -> None:
        sort.looks += 1
        if known := sort.bodies.get(body):
            known.n += 1
        else:
            sort.bodies[body] = Body(masked(body.decode(errors="replace"), secrets())[:MAX_BODY])
        sort.full = len(sort.bodies) == MOST or sort.looks == LOOKS

    def _lines(self) -> Iterable[dict[str, object]]:
        for (kind, name, status, outcome, rule), sort in self._sorts.items():
            unseen = sort.n - sort.looks
            for body in sort.bodies.values():
                yield {
                    "kind": kind, "request": f"{sort.method} {name}", "status": status, "outcome": outcome, "rule": rule,
                    "body": body.text, "n": body.n + unseen,
                }  # fmt: skip
                unseen = 0
