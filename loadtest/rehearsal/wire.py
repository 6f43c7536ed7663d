"""A buyer's connection for a rehearsal: plain, one request after the other, and as much of a browser as the manifest asks for."""

import zlib
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from ipaddress import ip_network
from urllib.parse import urljoin, urlsplit

from loadtest.manifest.http import Http
from loadtest.talk.filling import Filled
from loadtest.talk.heard import Response

MAX_REDIRECTS = 5
MAX_BYTES = 5_000_000
AUTO = 32 + zlib.MAX_WBITS  # gzip's header or zlib's


class NoAnswerError(Exception):
    """The shop did not answer; the message says why, in a clause."""


class Wire:
    """What one buyer sends by. Buyer number `ordinal`, from 0, has an address of their own where the manifest says so.

    *Warning:* a cookie's path, domain and age are not looked at: there is one shop, and it is asked for seconds.
    """

    def __init__(self, http: Http, base_url: str, ordinal: int, timeout_s: float) -> None:
        self._http = http
        self._base = base_url
        parts = urlsplit(base_url)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        source = (str(ip_network(http.source_addresses)[ordinal + 1]), 0) if http.source_addresses else None
        self._connection = kind(parts.hostname or "", parts.port, timeout=timeout_s, source_address=source)
        self._timeout_s = timeout_s
        self._cookies: dict[str, str] = {}

    def cookie(self, name: str) -> str | None:
        """The value of a cookie that the shop has set, where the manifest keeps them."""
        return self._cookies.get(name)

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values of all of them."""
        return tuple(self._cookies.values())

    def send(self, request: Filled) -> Response:
        """The answer to `request`, after redirects where buyers follow them.

        Raises:
            NoAnswerError: there is none.
        """
        response = self._once(request.method, request.path, request.headers, request.body)
        path = request.path
        for _ in range(MAX_REDIRECTS if self._http.follow_redirects and request.method == "GET" else 0):
            path = self._redirected(path, response)
            if not path:
                break
            response = self._once("GET", path, request.headers, None)
        return response

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def _once(self, method: str, path: str, headers: dict[str, str], body: bytes | None) -> Response:
        headers = dict(headers)
        if self._cookies:
            headers.setdefault("Cookie", "; ".join(f"{name}={value}" for name, value in self._cookies.items()))
        if self._http.compressed:
            headers.setdefault("Accept-Encoding", "gzip, deflate")
        try:
            try:
                return self._exchange(method, path, headers, body)
            except (ConnectionError, HTTPException):
                # The shop may have closed a connection that was idle; a fresh one tells.
                self._connection.close()
                return self._exchange(method, path, headers, body)
        except TimeoutError:
            self._connection.close()
            raise NoAnswerError(f"no answer within {self._timeout_s:g} s") from None
        except (OSError, HTTPException, ValueError) as error:
            self._connection.close()
            raise NoAnswerError(
                f"no answer from {self._base}: {getattr(error, 'strerror', None) or error or type(error).__name__}"
            ) from None

    def _exchange(self, method: str, path: str, headers: dict[str, str], body: bytes | None) -> Response:
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        content = answer.read(MAX_BYTES)
        pairs = tuple(
            (name.lower().encode(), value.encode("latin-1", "replace")) for name, value in answer.getheaders()
        )
        if answer.will_close or not answer.isclosed():
            self._connection.close()
        if self._http.cookies:
            self._keep(pairs)
        if self._http.compressed and answer.headers.get("Content-Encoding", "identity") in (
            "gzip",
            "x-gzip",
            "deflate",
        ):
            content = _unpacked(content)
        return Response(answer.status, content, pairs)

    def _keep(self, headers: tuple[tuple[bytes, bytes], ...]) -> None:
        for name, value in headers:
            if name == b"set-cookie":
                key, _, text = value.decode("latin-1").partition(";")[0].partition("=")
                self._cookies[key.strip()] = text.strip()

    def _redirected(self, path: str, response: Response) -> str:
        """Where it leads to, within the same origin; empty if it leads nowhere."""
        location = (
            dict(response.headers).get(b"location", b"").decode("latin-1") if 300 <= response.status < 400 else ""
        )
        url = urlsplit(urljoin(self._base + path, location)) if location else None
        if url is None or f"{url.scheme}://{url.netloc}" != self._base:
            return ""
        return url.path + (f"?{url.query}" if url.query else "")


def _unpacked(body: bytes) -> bytes:
    try:
        return zlib.decompressobj(AUTO).decompress(body, MAX_BYTES)
    except zlib.error:
        return body
