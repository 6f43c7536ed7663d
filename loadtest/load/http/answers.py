"""What an exchange ends in: a whole `Response` or an `HttpError`. And where the head of an answer ends."""

import re
from typing import Any

from loadtest.talk.heard import Response

MAX_HEAD_BYTES = 65_536
MAX_ANSWER_BYTES = 1_048_576
INTERIM = re.compile(rb"HTTP/\d\.\d 1\d\d.*?\r\n\r\n", re.DOTALL)
FRAMED = re.compile(rb"\r\n(?:content-length|transfer-encoding)[ \t]*:", re.IGNORECASE)


__all__ = ["Response"]


class HttpError(Exception):
    """The exchange ended without an answer. `may_have_left`: whether the shop may have seen the request."""

    may_have_left = True


class NotSentError(HttpError):
    """No byte of the request was sent: name unresolved, connection refused, unreachable, TLS failed, or too slow to connect."""

    may_have_left = False


class DeadlineError(HttpError):
    """The answer was not complete at the deadline."""


class DisconnectedError(HttpError):
    """The server closed or reset the connection before its answer was complete."""


class BadAnswerError(HttpError):
    """The answer is not valid HTTP/1.1, or exceeds a limit."""


def head_of(data: bytes) -> bytes:
    """The head of the final answer in `data`: leading blank lines, leading 1xx answers and the body are cut off.

    The head may be incomplete; see `is_whole`.
    """
    data = data.lstrip(b"\r\n")
    while interim := INTERIM.match(data):
        data = data[interim.end() :].lstrip(b"\r\n")
    end = data.find(b"\r\n\r\n")
    return data if end < 0 else data[: end + 4]


def is_whole(head: bytes) -> bool:
    """Whether `head` ends with the blank line that completes it."""
    return head.endswith(b"\r\n\r\n")


class HeadOnly:
    """Callbacks of httptools for an answer to HEAD, which ends with its head. Passes it on to `connection`."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._further = getattr(connection, "on_header", None)

    def on_message_begin(self) -> None:
        self._connection.on_message_begin()
        self._closes = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self._closes |= name.lower() == b"connection" and b"close" in value.lower()
        if self._further is not None:
            self._further(name, value)

    def on_headers_complete(self) -> None:
        self._connection.on_head(self._closes)

    def on_body(self, _data: bytes) -> None:
        raise BadAnswerError("a body in an answer to HEAD")

    def on_message_complete(self) -> None:
        """Nothing to do: the answer was complete with its head."""
