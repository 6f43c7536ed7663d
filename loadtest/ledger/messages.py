"""The order number in a message of Celery's, as a broker keeps it. A message that cannot be read has none: that is no reason to read no other."""

import base64
import json
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
