"""Requests of the manifest, filled for one buyer: path, headers and body, as bytes that only need to be sent."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, quote_plus

from loadtest.errors import UsageError
from loadtest.experiment.names import PLACEHOLDER, nearest
from loadtest.manifest.http import Request
from loadtest.talk.heard import as_text

Values = Mapping[str, object]
CONTENT_TYPES = {
    "body": "application/json", "form": "application/x-www-form-urlencoded", "text": "text/plain; charset=utf-8",
}  # fmt: skip
# What a part of a URL that the shop gave, such as a hidden path, may hold as it is.
OF_A_URL = "/%:?@!$&'()*+,;=-._~"
ORIGIN = re.compile(r"^https?://[^/?]*")
# Placeholders whose values are one segment of a path, never several.
SEGMENTS = ("sale", "buyer", "number")


class Filled(NamedTuple):
    """One request, ready to be sent. `headers` include the content type of `body`."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes | None


class Text:
    """A text with placeholders, taken apart once. `names` are its placeholders."""

    def __init__(self, template: str) -> None:
        self._parts = PLACEHOLDER.split(template)  # literal, name, literal, …
        self.names = frozenset(self._parts[1::2])
        self._whole = len(self._parts) == 3 and not self._parts[0] and not self._parts[2]

    def fill(self, values: Values, written: Callable[[str, str], str] | None = None) -> str:
        """The text. `written` (name, value as text) says how a value is written in it; by default as it is."""
        if not self.names:
            return self._parts[0]
        parts = list(self._parts)
        for at in range(1, len(parts), 2):
            text = as_text(_value(values, parts[at]))
            parts[at] = written(parts[at], text) if written else text
        return "".join(parts)

    def value(self, values: Values) -> object:
        """The text as a JSON value: a placeholder that is all of it keeps its type."""
        return _value(values, self._parts[1]) if self._whole else self.fill(values)


def _value(values: Values, name: str) -> object:
    if name not in values:
        raise UsageError(f"no placeholder {{{name}}}; {nearest(name, values)}")
    return values[name]


class Target:
    """The path and query of a request. Values are percent-encoded; slashes of a path that the shop gave stay."""

    def __init__(self, template: str) -> None:
        path, mark, query = template.partition("?")
        self._path, self._query = Text(path), Text(mark + query)
        self.names = self._path.names | self._query.names

    def fill(self, values: Values) -> str:
        """The target, beginning with a slash. Of a whole address that the shop gave only what follows its host is left."""
        filled = self._path.fill(values, _in_path) + self._query.fill(values, lambda _, text: quote(text, safe=""))
        return "/" + ORIGIN.sub("", filled).lstrip("/")


def _in_path(name: str, text: str) -> str:
    given = name not in SEGMENTS and not name.startswith("buyer.")
    return quote(text, safe=OF_A_URL) if given else quote(text, safe="")


class Template:
    """A request of the manifest, taken apart once and filled for many buyers. `names` are all of its placeholders; `name` is its path
    as the manifest has it."""

    def __init__(self, request: Request) -> None:
        self.method, self.name = request.request.split(" ", 1)
        self._target = Target(self.name)
        self._headers = [(name, Text(text)) for name, text in _with_type(request).items()]
        self._body, inside = _body(request)
        self.names = frozenset().union(self._target.names, inside, *(text.names for _, text in self._headers))

    def fill(self, values: Values) -> Filled:
        """The request, for one buyer.

        Raises:
            UsageError: `values` lack a placeholder.
        """
        headers = {name: text.fill(values) for name, text in self._headers}
        return Filled(self.method, self._target.fill(values), headers, self._body(values) if self._body else None)


def _with_type(request: Request) -> dict[str, str]:
    kind = next((kind for kind in CONTENT_TYPES if getattr(request, kind) is not None), None)
    if kind is None or "content-type" in map(str.lower, request.headers):
        return request.headers
    return {"Content-Type": CONTENT_TYPES[kind], **request.headers}


def _body(request: Request) -> tuple[Callable[[Values], bytes] | None, frozenset[str]]:
    """What makes the body of given values, and its placeholders."""
    if request.text is not None:
        text = Text(request.text)
        return lambda values: text.fill(values).encode(), text.names
    if request.form is not None:
        fields = [(quote_plus(key), Text(value)) for key, value in request.form.items()]
        names = frozenset().union(*(each.names for _, each in fields))
        return lambda values: "&".join(f"{key}={quote_plus(each.fill(values))}" for key, each in fields).encode(), names
    if request.body is None:
        return None, frozenset()
    tree, names = _parsed(request.body)
    if not names:
        constant = json.dumps(request.body).encode()
        return lambda _: constant, names
    return lambda values: json.dumps(tree(values)).encode(), names


def _parsed(value: Any) -> tuple[Callable[[Values], Any], frozenset[str]]:
    """What makes a JSON value of given values, and its placeholders."""
    if isinstance(value, str):
        text = Text(value)
        return text.value, text.names
    if isinstance(value, dict):
        members = {key: _parsed(inner) for key, inner in value.items()}
        names = frozenset().union(*(each for _, each in members.values()))
        return lambda values: {key: make(values) for key, (make, _) in members.items()}, names
    if isinstance(value, list | tuple):
        items = [_parsed(inner) for inner in value]
        return lambda values: [make(values) for make, _ in items], frozenset().union(*(each for _, each in items))
    return lambda _: value, frozenset()
