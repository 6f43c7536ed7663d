"""Who may ask the web page of a harness: whoever asks for it by a name that it has, and, to change anything, from the page itself.

The page listens on 127.0.0.1 only, but a browser there shows other sites, too. One whose name is made to point at 127.0.0.1 (DNS rebinding) sends
its own name as ``Host``; one that posts a form here sends its own as ``Origin``. Both are held against the same list, for Locust's own views
(``/swarm``, ``/stop``) as for ours.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from flask import Response, make_response, request

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
READS = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True)
class Door:
    """Refuses requests that are none of this page's. `hosts`: names by which it may be asked for, with their port, as in ``Host``."""

    hosts: frozenset[str]

    @classmethod
    def on(cls, port: int, names: Collection[str]) -> "Door":
        """The door of a page on `port` of this machine; `names` are those of a proxy before it."""
        own = {f"{name}:{port}" for name in LOOPBACK} | (set(LOOPBACK) if port == 80 else set())
        return cls(frozenset(own | {name.lower() for name in names}))

    def guard(self, app: Any) -> None:
        """Stand before every view of `app`, Locust's own too."""
        app.before_request(self.refuse)
        app.after_request(self.keep)

    def refuse(self) -> Response | None:
        """403 for a request that may not be; None for one that may."""
        host = request.headers.get("Host", "")
        if host.lower() not in self.hosts:
            return _refused(
                f"expected one of {', '.join(sorted(self.hosts))} as Host, found {host or 'none'}; a proxy's name: --web-name"
            )
        # A browser sends Origin with every POST. Referer is for what sends that alone; who sends neither is no page of ours.
        source = request.headers.get("Origin") or request.headers.get("Referer") or ""
        if request.method not in READS and _netloc(source) not in self.hosts:
            return _refused(f"expected a request from this page, found Origin {source or 'none'}")
        return None

    def keep(self, response: Response) -> Response:
        """Let no other site read or frame the response: Locust's CORS, which allows all, leaves this header as it is."""
        response.headers["Access-Control-Allow-Origin"] = request.host_url.rstrip("/")
        response.headers.setdefault("X-Frame-Options", "DENY")
        return response


def _netloc(url: str) -> str:
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return ""


def _refused(message: str) -> Response:
    return make_response({"error": message}, 403)
