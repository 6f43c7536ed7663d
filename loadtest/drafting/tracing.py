"""Where a value of a request came from: the earlier answer that holds it, and the place in it, as a manifest names places."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from loadtest.drafting.seen import Seen

# Shorter ones are everywhere by chance.
LEAST = 6


@dataclass(frozen=True)
class Origin:
    """`request` is the position of the request whose answer has the value at `place`."""

    request: int
    place: str


def trace(value: str, before: Sequence[Seen], least: int = LEAST) -> Origin | None:
    """The latest of the requests `before` whose answer has `value`, and where; None where none has, or it is too short to tell."""
    if len(value) < least:
        return None
    for position in range(len(before) - 1, -1, -1):
        place = place_of(value, before[position])
        if place:
            return Origin(position, place)
    return None


def place_of(value: str, request: Seen) -> str | None:
    """Where the answer to `request` has `value`: a key of its JSON, a cookie, a header, or a field of its HTML."""
    answer = request.answer
    if answer is None:
        return None
    for key, found in leaves(answer.json):
        if str(found) == value:
            return f"json:{key or '$'}"
    for name, text in answer.headers:
        if name.lower() == "set-cookie" and text.partition("=")[2].partition(";")[0] == value:
            return f"cookie:{text.partition('=')[0].strip()}"
    for name, text in answer.headers:
        if text == value and name.lower() != "set-cookie":
            return f"header:{name}"
    return _in_html(value, answer.text)


def _in_html(value: str, text: str) -> str | None:
    """A regular expression for the field that has it: ``name="csrf" value="…"``."""
    found = re.search(rf"name=[\"']([\w.-]+)[\"'][^<>]*value=[\"']{re.escape(value)}[\"']", text)
    return f"regex:name=[\"']{re.escape(found[1])}[\"'][^<>]*value=[\"']([^\"']+)" if found else None


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every scalar of a JSON value, with its dotted key."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for position, inner in enumerate(value[:3]):
            yield from leaves(inner, f"{path}.{position}" if path else str(position))
    elif value is not None:
        yield path, value
