"""The order number in a message, as a broker keeps it. A message that cannot be read has none: that is no reason to read no other."""

import base64
import json
import re
from collections.abc import Sequence
from typing import Any

from kombu.compression import decompress


def parsed(text: str | bytes) -> Any:
    """The JSON value of `text`; None where it is no JSON."""
    try:
        return json.loads(text)
    except ValueError:
        return None


def number_in_message(message: Any, place: str | None) -> str | None:
    """The order number in a message of kombu's Redis transport; `place` is ``args.N`` or ``kwargs.NAME``."""
    try:
        body, compression = message["body"], (message.get("headers") or {}).get("compression")
        if (message.get("properties") or {}).get("body_encoding") == "base64":
            body = base64.b64decode(body)
    except (TypeError, KeyError, AttributeError, ValueError):
        return None
    return number_in_body(body, compression, place)


def number_in_body(body: str | bytes, compression: str | None, place: str | None) -> str | None:
    """The order number in the body of a task, of both of Celery's protocols; None where it cannot be read or is not there.

    Only JSON is read: a pickle would run whatever its author wants.
    """
    try:
        task = json.loads(decompress(body, compression) if compression else body)
        args, kwargs = (task["args"], task["kwargs"]) if isinstance(task, dict) else task[:2]
        kind, _, key = (place or "").partition(".")
        return str(args[int(key)] if kind == "args" else kwargs[key])
    except Exception:  # whatever a decompressor may raise
        return None


def task_of_message(message: Any) -> str | None:
    """The name of the task in a message of kombu's Redis transport; None where it cannot be read."""
    try:
        headers = message.get("headers") or {}
        if headers.get("task"):
            return str(headers["task"])
        body = message["body"]
        if (message.get("properties") or {}).get("body_encoding") == "base64":
            body = base64.b64decode(body)
    except (TypeError, KeyError, AttributeError, ValueError):
        return None
    return task_of_body(body, headers.get("compression"))


def task_of_body(body: str | bytes, compression: str | None) -> str | None:
    """The name of the task in the body of Celery's first protocol, which has it nowhere else; None where it cannot be read."""
    try:
        return str(json.loads(decompress(body, compression) if compression else body)["task"])
    except Exception:  # whatever a decompressor may raise
        return None


def number_in_entry(text: str, place: str | None) -> str | None:
    """The order number in an entry of anybody's; `place` is ``json:KEY``, a key alone, or ``regex:…`` with one group. Dots go deeper.

    JSON within a text of JSON is looked into as well.
    """
    kind, colon, rest = (place or "").partition(":")
    if not place:
        return None
    if kind == "regex":
        found = re.search(rest, text)
        return found[found.lastindex or 0] if found else None
    value = _at(parsed(text), (rest if colon and kind == "json" else place).split("."))
    return None if value is None or isinstance(value, dict | list) else str(value)


def _at(value: Any, path: Sequence[str]) -> Any:
    for key in path:
        inner = parsed(value) if isinstance(value, str) else value
        if isinstance(inner, list) and key.isdecimal() and int(key) < len(inner):
            value = inner[int(key)]
        else:
            value = inner.get(key) if isinstance(inner, dict) else None
    return value
