"""`Line`, through which a buyer talks to the shop, and the choice of its implementation by the manifest."""

from collections.abc import Mapping
from typing import Any, Protocol

from loadtest.load.http.client import Connection, Response
from loadtest.load.http.cookies import Jar
from loadtest.load.http.endpoint import Endpoint
from loadtest.load.http.session import HeadedConnection, Session
from loadtest.manifest.http import Http


class Line(Protocol):
    """One connection of a buyer to the shop: one exchange at a time, each request sent at most once.

    `exchange` raises `loadtest.load.http.client.HttpError`, whose `may_have_left` says whether the shop may have seen the request.
    """

    def request(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None) -> Any:
        """What `exchange` takes, built ahead of time."""

    def exchange(self, request: Any) -> Response:
        """Sends `request` and returns the whole answer."""

    def connect(self) -> None:
        """Connects, where the client can do so without a request. Raises as `exchange` does."""

    def cookies(self) -> Mapping[str, str]:
        """The cookies that are kept: name → value."""

    def close(self) -> None:
        """Closes the connection; the next exchange opens another."""


def lines(
    http: Http, where: Endpoint, timeout_s: float, count: int, source: str | None = None, headed: bool = False
) -> list[Line]:
    """`count` lines of one buyer, from the address `source` if given; `headed`: the headers of answers are wanted, which cost a call each.

    They are plain connections, the fastest, unless `http` asks for cookies, redirects or compression.
    """
    if not (http.cookies or http.follow_redirects or http.compressed):
        kind = HeadedConnection if headed else Connection
        return [kind(where, timeout_s, source) for _ in range(count)]
    jar = Jar(where.host, where.tls is not None) if http.cookies else None
    return [
        Session(HeadedConnection(where, timeout_s, source), jar, http.follow_redirects, http.compressed)
        for _ in range(count)
    ]
