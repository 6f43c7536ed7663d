"""A request as somebody saw it, with its answer where that is known; and which of its parts are the buyer's, a secret, or of no use."""

import json
import re
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit

from loadtest.errors import UsageError

Kind = Literal["json", "form", "text"]
# Of the browser, not of the shop.
NOISE = re.compile(
    r"accept.*|user-agent|sec-.*|origin|referer|connection|content-length|host|cache-control|pragma|dnt|priority|te|upgrade-insecure-requests|"
    r"if-.*|:.*|x-requested-with|content-type|proxy-.*|traceparent|x-request-id",
    re.IGNORECASE,
)
SECRET = re.compile(
    r".*(auth|token|cookie|csrf|xsrf|secret|passw|pwd|api-?_?key|session|jwt|captcha|verify).*", re.IGNORECASE
)
CSRF = re.compile(r".*(csrf|xsrf).*", re.IGNORECASE)
PASSWORD = re.compile(r".*(passw|pwd|^pass$|secret).*", re.IGNORECASE)
BUYER = re.compile(
    r"(x[-_])?(user|buyer|customer|member|account|client|uid|login|mobile|phone|email|e-mail|tel)[-_]?(id|name|no|number)?",
    re.IGNORECASE,
)
# A part of a path that nobody typed: long, with digits among its letters.
HIDDEN = re.compile(r"(?=[^/]*\d)(?=[^/]*[A-Za-z])[A-Za-z0-9_-]{16,}")


@dataclass(frozen=True)
class Answer:
    """What came back. `headers` are pairs, as they stood."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    text: str = ""

    @property
    def json(self) -> Any:
        """The body as JSON; None where it is none."""
        try:
            return json.loads(self.text)
        except ValueError:
            return None


@dataclass(frozen=True)
class Seen:
    """A request. `origin` is scheme, host and port; `target` is the path with its query; `body` is a dict of JSON or of a form, or a text."""

    method: str
    origin: str
    target: str
    headers: dict[str, str] = field(default_factory=dict)
    kind: Kind | None = None
    body: Any = None
    answer: Answer | None = None

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def told(self) -> dict[str, str]:
        """The headers that are the shop's own, and no secrets."""
        return {
            name: text
            for name, text in self.headers.items()
            if not NOISE.fullmatch(name) and not SECRET.fullmatch(name)
        }

    @property
    def secrets(self) -> dict[str, str]:
        """The headers that hold one."""
        return {name: text for name, text in self.headers.items() if SECRET.fullmatch(name)}


def seen(method: str, url: str, headers: dict[str, str], data: str | None, answer: Answer | None = None) -> Seen:
    """The request of these parts. Raises UsageError for what is no address."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"{url!r}: expected the address of a request, such as http://127.0.0.1:8000/buy")
    origin = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    given = {name.lower(): text for name, text in headers.items()}
    kind, body = read_body(given.get("content-type", ""), data)
    return Seen(method.upper(), origin, target, headers, kind, body, answer)


def read_body(content_type: str, data: str | None) -> tuple[Kind | None, Any]:
    """What a body is, and its content. JSON that TOML cannot hold, such as null, stays a text."""
    if not data:
        return None, None
    if "json" in content_type or data.lstrip()[:1] in ("{", "["):
        try:
            body = json.loads(data)
        except ValueError:
            return "text", data
        return ("json", body) if isinstance(body, dict) and not _has_null(body) else ("text", data)
    pairs = parse_qsl(data, keep_blank_values=True)
    fields = dict(pairs)
    plain = len(fields) == len(pairs) and all(re.fullmatch(r"[\w.\[\]-]+", key) for key in fields)
    return ("form", fields) if pairs and plain and "text/" not in content_type else ("text", data)


def _has_null(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_null, value.values()))
    return any(map(_has_null, value)) if isinstance(value, list) else value is None
