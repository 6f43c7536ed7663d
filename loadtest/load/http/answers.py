"""What an exchange comes to: a whole answer or an error. And how a head is told from what follows it."""

import re
from typing import Any, NamedTuple

MAX_HEAD_BYTES = 65_536
MAX_ANSWER_BYTES = 1_048_576
INTERIM = re.compile(rb"HTTP/\d\.\d 1\d\d.*?\r\n\r\n", re.DOTALL)
FRAMED = re.compile(rb"\r\n(?:content-length|transfer-encoding)[ \t]*:", re.IGNORECASE)


class HttpError(Exception):
    """No answer. `may_have_left` says whether the shop can have seen the request."""

    may_have_left = True


class NotSentError(HttpError):
    """No byte of the request left: no address, refused, unreachable, no TLS, or no connection in time."""

    may_have_left = False


class DeadlineError(HttpError):
    """The whole answer was not there at the deadline."""


class DisconnectedError(HttpError):
    """The server closed or reset the connection before its answer was complete."""


class BadAnswerError(HttpError):
    """What came is not HTTP/1.1, or is larger than the limits."""


class Response(NamedTuple):
    """A whole answer. `headers` are (name in lower case, value), and empty unless they were asked for."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()


def head_of(data: bytes) -> bytes:
    """`data` without the empty lines and 1xx answers it begins with, and not past the empty line that ends a head."""
    data = data.lstrip(b"\r\n")
    while interim := INTERIM.match(data):
        data = data[interim.end() :].lstrip(b"\r\n")
    end = data.find(b"\r\n\r\n")
    return data if end < 0 else data[: end + 4]


def is_whole(head: bytes) -> bool:
    """Whether a head has come to its end."""
    return head.endswith(b"\r\n\r\n")


class HeadOnly:
    """What the parser calls for an answer that is nothing but a head."""

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
        """It was complete before."""
