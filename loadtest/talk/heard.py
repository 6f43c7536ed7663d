"""An answer of the shop as the manifest's rules look at it: parsed at most once, and only where a rule asks."""

import json
from typing import Any, NamedTuple

import msgspec

# msgspec is several times as fast; json accepts what msgspec rejects, such as NaN.
QUICKLY = msgspec.json.Decoder().decode
DECODE = json.JSONDecoder().decode
# What a place holds that an answer does not have. JSON's null is None.
MISSING: Any = type("Missing", (), {"__repr__": lambda _: "nothing", "__bool__": lambda _: False})()
UNREAD: Any = object()
# The key of a JSON answer as a whole, which may be a plain -1 or true.
ROOT = "$"
# Texts from the shop's answers are cut to this many characters.
MAX_TEXT = 300


class Response(NamedTuple):
    """A whole answer. `headers` are pairs (name in lower case, value); a client that does not need them leaves them empty."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Heard:
    """A response, and what it was parsed to so far."""

    __slots__ = ("_content", "_text", "response")

    def __init__(self, response: Response) -> None:
        self.response = response
        self._content: Any = UNREAD
        self._text: str | None = None

    @property
    def text(self) -> str:
        """The body as UTF-8; what is none becomes U+FFFD."""
        if self._text is None:
            self._text = self.response.body.decode(errors="replace")
        return self._text

    def at(self, keys: tuple[str, ...]) -> Any:
        """The value at `keys` of the JSON body, one level each; MISSING where there is none. A list takes a position for a key."""
        if self._content is UNREAD:
            self._content = parsed(self.response.body)
        return value_at(self._content, keys)

    def headers(self, name: bytes) -> list[str]:
        """Every value of the header `name`, which is in lower case."""
        return [value.decode("latin-1") for found, value in self.response.headers if found == name]


def parsed(body: bytes) -> Any:
    """`body` as JSON; MISSING where it is none."""
    try:
        try:
            return QUICKLY(body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return DECODE(body.decode())
    except (ValueError, RecursionError):
        return MISSING


def value_at(value: Any, keys: tuple[str, ...]) -> Any:
    """What is at `keys` of a JSON `value`; MISSING where nothing is."""
    try:
        for key in keys:
            value = value[key] if type(value) is dict else value[int(key)] if type(value) is list else MISSING[key]
    except (KeyError, ValueError, IndexError, TypeError):
        return MISSING
    return value


def number_at(body: bytes, keys: tuple[str, ...]) -> str | None:
    """The order number at `keys` of a JSON `body`; None where there is none. In one function, because each answer to a winner is read by it."""
    try:
        value = QUICKLY(body)
    except (ValueError, RecursionError):
        value = parsed(body)
    try:
        for key in keys:
            value = value[key] if type(value) is dict else value[int(key)] if type(value) is list else MISSING[key]
    except (KeyError, ValueError, IndexError, TypeError):
        return None
    return value[:MAX_TEXT] if type(value) is str and value.strip() else as_number(value)


def path_of(key: str) -> tuple[str, ...]:
    """The keys of a dotted `key`, outermost first."""
    return () if key == ROOT else tuple(key.split("."))


def as_text(value: Any) -> str:
    """A JSON value as text: a text as it is, anything else as JSON writes it."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return json.dumps(value)


def as_number(value: Any) -> str | None:
    """A value as an order number, of at most MAX_TEXT characters: a text that is not blank, or a whole number; None for any other."""
    if type(value) is str:
        return value[:MAX_TEXT] if value.strip() else None
    return str(value)[:MAX_TEXT] if isinstance(value, int) and not isinstance(value, bool) else None
