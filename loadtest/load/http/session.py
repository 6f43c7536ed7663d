"""Cookies, redirects and compressed bodies on top of a connection, each only where the manifest asks for it."""

import zlib
from collections.abc import Mapping
from time import monotonic
from urllib.parse import quote, urljoin, urlsplit

from loadtest.load.http.client import (
    MAX_ANSWER_BYTES,
    BadAnswerError,
    Connection,
    DeadlineError,
    DisconnectedError,
    NotSentError,
    Response,
)
from loadtest.load.http.cookies import Jar
from loadtest.load.http.endpoint import Endpoint

MAX_REDIRECTS = 5
REDIRECTS = (301, 302, 303, 307, 308)
# zlib's `wbits` for a gzip header, a zlib header, and none.
GZIP, ZLIB, RAW = 31, 15, -15
ALLOWED = "%/:?#[]@!$&'()*+,;=-._~"
DEFAULT_PORTS = {"http": 80, "https": 443}


class HeadedConnection(Connection):
    """A connection whose answers have their headers, at the cost of one call for each header."""

    def exchange(self, request: bytes) -> Response:
        """As `Connection.exchange`, with the headers of the final answer: without trailers and the headers of 1xx answers."""
        return super().exchange(request)._replace(headers=self._headers)

    # What the parser calls.

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._coming: list[tuple[bytes, bytes]] = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self._coming.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._headers = tuple(self._coming)

    def on_head(self, closes: bool) -> None:
        self.on_headers_complete()
        super().on_head(closes)


class Session:
    """A `Line` with what a browser adds. The sessions of one buyer share a `jar`; None keeps no cookies.

    Where it `follows` redirects: those of a GET, within the same origin, at most MAX_REDIRECTS, all within one time-out. Any
    other redirect is returned as the answer. A compressed body may unpack to MAX_ANSWER_BYTES.
    """

    def __init__(self, connection: HeadedConnection, jar: Jar | None, follows: bool, compressed: bool) -> None:
        self._connection = connection
        self._jar = jar
        self._follows = follows
        self._compressed = compressed

    def request(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None) -> bytes:
        """The bytes that `exchange` sends, built ahead of time.

        Raises:
            UsageError: a space or a control character in the path, a line break in a header.
        """
        if self._compressed:
            headers = {"Accept-Encoding": "gzip, deflate", **headers}
        return self._connection.request(method, path, headers, body)

    def exchange(self, request: bytes) -> Response:
        """Sends `request`, follows its redirects, and returns the last answer.

        Raises:
            HttpError: as `Connection.exchange` does; too many redirects; a body that cannot be unpacked.
        """
        deadline = monotonic() + self._connection.timeout_s
        response = self._exchange(request)
        if self._follows and request.startswith(b"GET "):
            response = self._followed(request, response, deadline)
        return _unpacked(response) if self._compressed else response

    def connect(self) -> None:
        """Connects, as `Connection.open` does."""
        self._connection.connect()

    def cookies(self) -> Mapping[str, str]:
        """The cookies that are kept: name → value."""
        return self._jar.values() if self._jar is not None else {}

    def close(self) -> None:
        """Closes the connection; it may be opened again. Cookies stay."""
        self._connection.close()

    def _exchange(self, request: bytes) -> Response:
        if self._jar is None:
            return self._connection.exchange(request)
        path = request.split(b" ", 2)[1]
        if cookies := self._jar.header(path):
            request = request.replace(b"\r\n", b"\r\nCookie: " + cookies + b"\r\n", 1)
        response = self._connection.exchange(request)
        for name, value in response.headers:
            if name == b"set-cookie":
                self._jar.take(value, path)
        return response

    def _followed(self, request: bytes, response: Response, deadline: float) -> Response:
        connection, timeout_s = self._connection, self._connection.timeout_s
        try:
            for _ in range(MAX_REDIRECTS):
                further = _redirected(connection.where, request, response)
                if further is None:
                    return response
                request = further
                connection.timeout_s = max(0.001, deadline - monotonic())
                response = self._exchange(request)
        except DeadlineError:
            raise DeadlineError(f"no answer in {timeout_s:g} s, with redirects") from None
        except NotSentError as error:  # but the first request was sent
            raise DisconnectedError(f"redirect: {error}") from None
        finally:
            connection.timeout_s = timeout_s
        if _redirected(connection.where, request, response):
            raise BadAnswerError(f"more than {MAX_REDIRECTS} redirects")
        return response


def _redirected(where: Endpoint, request: bytes, response: Response) -> bytes | None:
    """The request that `response` redirects to; None if it is no redirect, or leads to another origin than `where`."""
    location = dict(response.headers).get(b"location") if response.status in REDIRECTS else None
    if not location:
        return None
    _, path, rest = request.split(b" ", 2)
    scheme = "https" if where.tls else "http"
    try:
        asked = f"{scheme}://{where.authority}{path.decode('latin-1')}"
        url = urlsplit(urljoin(asked, location.decode("latin-1")))
        there = (url.scheme, url.hostname, url.port or DEFAULT_PORTS.get(url.scheme))
    except ValueError:
        return None
    if there != (scheme, where.host, where.port):
        return None
    target = _quoted(url.path or "/") + ("?" + _quoted(url.query) if url.query else "")
    return b"GET " + target.encode() + b" " + rest


def _quoted(part: str) -> str:
    """`part` of a URL, perhaps percent-encoded already, with every character encoded that a request line must not have."""
    return quote(part, safe=ALLOWED, encoding="latin-1")


def _unpacked(response: Response) -> Response:
    """`response` with its body decompressed.

    Raises:
        BadAnswerError: the body is too large, truncated or damaged, or its encoding was not asked for.
    """
    encoding = dict(response.headers).get(b"content-encoding", b"identity").strip().lower()
    body = response.body
    if encoding == b"identity" or not body:
        return response
    if encoding in (b"gzip", b"x-gzip"):
        return response._replace(body=_inflated(body, GZIP))
    if encoding != b"deflate":
        raise BadAnswerError(f"content-encoding {encoding.decode('latin-1')!r}: expected gzip or deflate")
    # RFC 9110, 8.4.1.2: deflate means zlib's format, but some servers omit its two bytes of header.
    with_header = body[0] & 0x0F == 8 and int.from_bytes(body[:2], "big") % 31 == 0
    return response._replace(body=_inflated(body, ZLIB if with_header else RAW))


def _inflated(body: bytes, form: int) -> bytes:
    unpacker = zlib.decompressobj(form)
    try:
        content = unpacker.decompress(body, MAX_ANSWER_BYTES + 1)
    except zlib.error as error:
        raise BadAnswerError(f"a compressed body that is damaged: {error}") from None
    if len(content) > MAX_ANSWER_BYTES:
        raise BadAnswerError(f"answer over {MAX_ANSWER_BYTES} bytes when unpacked")
    if not unpacker.eof or unpacker.unused_data:
        raise BadAnswerError("a compressed body that is cut off, or goes on after its end")
    return content
