"""Buyers on Locust's own fast client, for scenarios that need more than our client offers.

It costs several times the processor time: `benchmarks/client.py` measures both.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from http.cookiejar import CookieJar
from typing import Any, NamedTuple

import gevent
from gevent import socket, ssl
from locust.contrib.fasthttp import FastHttpSession, FastRequest, LocustUserAgent

from loadtest.load.buyers.buyer import Buyer
from loadtest.load.http.client import (
    BadAnswerError,
    DeadlineError,
    DisconnectedError,
    HttpError,
    NotSentError,
    Response,
)
from loadtest.load.http.endpoint import Endpoint
from loadtest.load.http.line import Line
from loadtest.load.http.session import MAX_REDIRECTS
from loadtest.load.sale import Turn


class FastBuyer(Buyer):
    """A `Buyer` that also has the session of a FastHttpUser as `client`, for requests such as ``self.client.get("/")``.

    The methods of `Buyer` record in the history as usual; requests through `client` appear in Locust's statistics only. Both
    share their cookies.
    """

    abstract = True

    def __init__(self, environment: Any) -> None:
        self.cookies = CookieJar()
        super().__init__(environment)
        where, timeout_s = self.sale.where, self.sale.experiment.arrivals.timeout_s
        events = environment.events.request
        self.client = FastHttpSession(where.url, events, user=self, max_retries=0, **_settings(where, timeout_s))
        self.client.cookiejar = self.client.client.cookiejar = self.cookies

    def _become(self, turn: Turn | None) -> None:
        self.cookies.clear()
        super()._become(turn)

    def lines(self, timeout_s: float, count: int) -> list[Line]:
        """`count` lines with an agent each, so that clicks do not wait for each other."""
        http, headed = self.sale.http, self.sale.script.headed
        return [
            FastLine(
                self.sale.where, timeout_s, self.cookies, http.follow_redirects, http.compressed, self._source, headed
            )
            for _ in range(count)
        ]


class Ready(NamedTuple):
    """A request as `FastLine.exchange` takes it."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None


class FastLine:
    """A `Line` over one connection of geventhttpclient. Cookies are always kept.

    *Warning:* the size of an answer is not bounded, neither as received nor decompressed.
    """

    def __init__(
        self,
        where: Endpoint,
        timeout_s: float,
        cookies: CookieJar,
        follows: bool = False,
        compressed: bool = False,
        source: str | None = None,
        headed: bool = False,
    ) -> None:
        self.where = where
        self.timeout_s = timeout_s
        self._cookies = cookies
        self._redirects = MAX_REDIRECTS if follows else 0
        self._compressed = compressed
        self._source = source
        self._headed = headed
        self._agent: Any = None
        self._handed = False

    def request(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None) -> Ready:
        """What `exchange` takes.

        Raises:
            UsageError: a space or a control character in the path, a line break in a header.
        """
        self.where.request(method, path, headers, body)
        if self._compressed:
            headers = {"Accept-Encoding": "gzip, deflate", **headers}
        return Ready(method, self.where.url + path, headers, body)

    def exchange(self, request: Ready) -> Response:
        """Sends `request` at most once and returns the whole answer, within the time-out.

        Raises:
            NotSentError: no byte was sent.
            DeadlineError, DisconnectedError, BadAnswerError: the shop may have seen the request.
        """
        self._handed = False
        late = DeadlineError(f"no answer in {self.timeout_s:g} s")
        try:
            with gevent.Timeout(self.timeout_s, late):
                return self._asked(request)
        except Exception as error:
            self.close()
            raise self._translated(error) from None
        except BaseException:  # the buyer is being stopped
            self.close()
            raise

    def connect(self) -> None:
        """Does nothing: this client connects with its first request."""

    def cookies(self) -> Mapping[str, str]:
        """The cookies that are kept: name → value."""
        return {cookie.name: cookie.value or "" for cookie in self._cookies}

    def close(self) -> None:
        """Closes the connection; the next exchange opens another."""
        if self._agent is not None:
            self._agent.close()
            self._agent = None

    def _asked(self, request: Ready) -> Response:
        if self._agent is None:
            self._agent = self._new_agent()
        redirects = self._redirects if request.method == "GET" else 0
        answer = self._agent.urlopen(
            request.url, request.method, request.headers, request.body, max_redirects=redirects
        )
        headers = tuple(_encoded(answer.headers.items())) if self._headed else ()
        return Response(answer.status_code, answer.content or b"", headers)

    def _new_agent(self) -> Any:
        agent = _Agent(cookiejar=self._cookies, concurrency=1, max_retries=0, **_settings(self.where, self.timeout_s))
        # geventhttpclient resends an idempotent request when its connection closes without an answer, up to pool.size times.
        # A buyer's request must be sent once only.
        pool = agent.clientpool.get_client(FastRequest(self.where.url).url_split)._connection_pool  # noqa: SLF001 -- it has no setting for that
        pool.size = -1
        get_socket = pool.get_socket

        def handed_out() -> Any:
            sock = get_socket()
            self._handed = True
            return sock

        pool.get_socket = handed_out
        if self._source is not None:
            pool._create_tcp_socket = partial(_bound, self._source)  # noqa: SLF001 -- nor for that
        return agent

    def _translated(self, error: Exception) -> Exception:
        if not self._handed:
            if isinstance(error, DeadlineError):
                return NotSentError(f"connect: no connection in {self.timeout_s:g} s")
            return NotSentError(f"connect: {_reason(error)}")
        if isinstance(error, HttpError):
            return error
        if isinstance(error, TimeoutError):
            return DeadlineError(f"no answer in {self.timeout_s:g} s")
        if isinstance(error, OSError) or "closed" in str(error):
            return DisconnectedError(_reason(error))
        return BadAnswerError(f"not understood: {_reason(error)}")


class _OwnOrigin(FastRequest):  # type: ignore[misc]
    """A request that refuses to be redirected to another origin."""

    def redirect(self, code: int, location: str) -> None:
        super().redirect(code, location)
        if not self._is_same_origin():
            raise BadAnswerError("a redirect to another origin, which buyers do not follow")


class _Agent(LocustUserAgent):  # type: ignore[misc]
    """An agent that takes every status for an answer, and raises every error at once."""

    request_type = _OwnOrigin

    def _verify_status(self, status_code: int, url: Any = None) -> None:
        del status_code, url

    def _handle_error(self, e: BaseException, url: Any = None) -> BaseException:
        del url
        raise e


def _bound(source: str, family: int, kind: int, protocol: int) -> Any:
    """A socket that connects from the address `source`.

    Raises:
        OSError: the other side has no address of its family.
    """
    sock = socket.socket(family, kind, protocol)
    try:
        sock.bind((source, 0))
    except BaseException:
        sock.close()
        raise
    return sock


def _encoded(headers: Iterable[tuple[str, str]]) -> Iterator[tuple[bytes, bytes]]:
    for name, value in headers:
        yield name.lower().encode("latin-1"), value.encode("latin-1", "replace")


def _settings(where: Endpoint, timeout_s: float) -> dict[str, Any]:
    """Arguments for geventhttpclient: our time-out in seconds, and our verification of certificates."""
    insecure = where.tls is not None and where.tls.verify_mode == ssl.CERT_NONE
    return {
        "connection_timeout": timeout_s,
        "network_timeout": timeout_s,
        "insecure": insecure,
        "ssl_context_factory": lambda **_: where.tls,
    }


def _reason(error: Exception) -> str:
    """`error` as one line without addresses, so that equal errors have equal texts."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).lower()
