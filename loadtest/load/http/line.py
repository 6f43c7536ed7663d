"""A buyer's line to the shop, and which one the manifest asks for."""

from collections.abc import Mapping
from typing import Any, Protocol

from loadtest.load.http.client import Connection, Response
from loadtest.load.http.cookies import Jar
from loadtest.load.http.endpoint import Endpoint
from loadtest.load.http.session import HeadedConnection, Session
from loadtest.manifest.shop import Http


class Line(Protocol):
    """Carries one buyer's requests, one at a time.

    Sends each at most once: a `loadtest.load.http.client.HttpError` that `exchange` raises says by `may_have_left` whether it did.
    """

    def request(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None) -> Any:
        """What `exchange` takes, made before it is needed."""

    def exchange(self, request: Any) -> Response:
        """Sends `request` and returns the whole answer."""

    def close(self) -> None:
        """Hangs up; the next exchange opens the line again."""


def lines(http: Http, where: Endpoint, timeout_s: float, count: int) -> list[Line]:
    """`count` lines of one buyer. Bare connections, the fastest, unless the manifest asks for more."""
    if not (http.cookies or http.follow_redirects or http.compressed):
        return [Connection(where, timeout_s) for _ in range(count)]
    jar = Jar(where.host, where.tls is not None) if http.cookies else None
    return [
        Session(HeadedConnection(where, timeout_s), jar, http.follow_redirects, http.compressed) for _ in range(count)
    ]
