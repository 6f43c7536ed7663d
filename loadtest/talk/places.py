"""The places in an answer that hold a value: ``json:data.id``, ``header:Location``, ``cookie:csrftoken``, ``regex:/orders/(\\d+)``."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from loadtest.manifest.rules import split_header, split_place
from loadtest.talk.heard import MISSING, Heard, path_of

Find = Callable[[Heard], Any]
# The value of a cookie that the buyer has from an earlier answer.
Kept = Callable[[str], str | None]


def finder(place: str) -> Find:
    """The function that finds the value at `place`, in its JSON type; MISSING where the answer has none."""
    kind, rest = split_place(place)
    if kind == "json":
        keys = path_of(rest)
        return lambda heard: heard.at(keys)
    if kind == "regex":
        return _found_by(re.compile(rest))
    if kind == "cookie":
        return lambda heard: cookies_set(heard).get(rest, MISSING)
    name, pattern = split_header(rest)
    header = name.lower().encode()
    if not pattern:
        return lambda heard: next(iter(heard.headers(header)), MISSING)
    search = re.compile(pattern).search
    return lambda heard: next((hit[1] for value in heard.headers(header) if (hit := search(value)) and hit[1]), MISSING)


def _found_by(pattern: re.Pattern[str]) -> Find:
    def find(heard: Heard) -> Any:
        hit = pattern.search(heard.text)
        return hit[1] if hit and hit[1] is not None else MISSING

    return find


def cookies_set(heard: Heard) -> dict[str, str]:
    """Name → value of each cookie that the answer sets."""
    pairs = (value.partition(";")[0].partition("=") for value in heard.headers(b"set-cookie"))
    return {name.strip(): value.strip() for name, equals, value in pairs if equals}


def nobodys_cookie(_name: str) -> None:
    """Stands for the cookies of a client that keeps none."""


class Captures:
    """What later requests name of an answer: placeholder → place. A cookie that this answer does not set may be one the client keeps."""

    def __init__(self, places: Mapping[str, str]) -> None:
        self._found = [(name, place, finder(place)) for name, place in places.items()]

    def __bool__(self) -> bool:
        return bool(self._found)

    def take(self, heard: Heard, kept: Kept = nobodys_cookie) -> tuple[dict[str, Any], list[str]]:
        """The values by placeholder, in their JSON types, and the places at which there is none: nothing, null or a blank text."""
        values, missing = {}, []
        for name, place, find in self._found:
            value = find(heard)
            if value is MISSING and place.startswith("cookie:"):
                value = kept(place.removeprefix("cookie:"))
            if value is MISSING or value is None or (isinstance(value, str) and not value.strip()):
                missing.append(place)
            else:
                values[name] = value
        return values, missing


def asks_for_headers(places: Iterable[str]) -> bool:
    """Whether one of the places is in the headers of an answer."""
    return any(split_place(place)[0] in ("header", "cookie") for place in places)
