"""Buyers on Locust's own fast client, for scenarios that need more than ours offers. It costs several times the processor time: `benchmarks/client.py` prints both."""

from collections.abc import Mapping
from http.cookiejar import CookieJar
from typing import Any, NamedTuple

import gevent
from gevent import ssl
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
    """A `Buyer` whose `client` is the session that a FastHttpUser has: ``self.client.get("/")`` and all the rest.

    The verbs of a buyer record as ever; what a scenario asks through `client` stands in Locust's statistics only. Both share
    their cookies.
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
        """One agent a click, so that clicks do not wait for each other."""
        follows = self.sale.http.follow_redirects
        compressed = self.sale.http.compressed
        return [FastLine(self.sale.where, timeout_s, self.cookies, follows, compressed) for _ in range(count)]


class Ready(NamedTuple):
    """What a `FastLine` exchanges."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None


class FastLine:
    """One connection of geventhttpclient. Cookies are kept always.

    *Warning:* neither the size of an answer nor of what it unpacks to is bounded.
    """

    def __init__(
        self, where: Endpoint, timeout_s: float, cookies: CookieJar, follows: bool = False, compressed: bool = False
    ) -> None:
        self.where = where
        self.timeout_s = timeout_s
        self._cookies = cookies
        self._redirects = MAX_REDIRECTS if follows else 0
        self._compressed = compressed
        self._agent: Any = None
        self._handed = False

    def request(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None) -> Ready:
        """What `exchange` takes.

        Raises:
            UsageError: a path or a header that would not stay in its line.
        """
        self.where.request(method, path, headers, body)
        if self._compressed:
            headers = {"Accept-Encoding": "gzip, deflate", **headers}
        return Ready(method, self.where.url + path, headers, body)

    def exchange(self, request: Ready) -> Response:
        """Sends `request` at most once and returns the whole answer, within the time-out.

        Raises:
            NotSentError: nothing left.
            DeadlineError, DisconnectedError, BadAnswerError: the shop may have seen it.
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
        return Response(answer.status_code, answer.content or b"")

    def _new_agent(self) -> Any:
        agent = _Agent(cookiejar=self._cookies, concurrency=1, max_retries=0, **_settings(self.where, self.timeout_s))
        # geventhttpclient sends an idempotent request again when its connection closes without an answer, as often as its
        # pool is large. A buyer asks once.
        pool = agent.clientpool.get_client(FastRequest(self.where.url).url_split)._connection_pool  # noqa: SLF001 -- it has no setting for that
        pool.size = -1
        get_socket = pool.get_socket

        def handed_out() -> Any:
            sock = get_socket()
            self._handed = True
            return sock

        pool.get_socket = handed_out
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
    """A request that no redirect leads to another server."""

    def redirect(self, code: int, location: str) -> None:
        super().redirect(code, location)
        if not self._is_same_origin():
            raise BadAnswerError("a redirect to another origin, which buyers do not follow")


class _Agent(LocustUserAgent):  # type: ignore[misc]
    """Every status is an answer, and every error is the caller's."""

    request_type = _OwnOrigin

    def _verify_status(self, status_code: int, url: Any = None) -> None:
        del status_code, url

    def _handle_error(self, e: BaseException, url: Any = None) -> BaseException:
        del url
        raise e


def _settings(where: Endpoint, timeout_s: float) -> dict[str, Any]:
    """What geventhttpclient is told: our time-out, and our verification of certificates."""
    insecure = where.tls is not None and where.tls.verify_mode == ssl.CERT_NONE
    return {
        "connection_timeout": timeout_s,
        "network_timeout": timeout_s,
        "insecure": insecure,
        "ssl_context_factory": lambda **_: where.tls,
    }


def _reason(error: Exception) -> str:
    """The error in one line without addresses, so that equal errors read equal."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).lower()
