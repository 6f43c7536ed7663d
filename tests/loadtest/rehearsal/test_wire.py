"""The connection of a rehearsal's buyer: as much of a browser as the manifest asks for."""

import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from loadtest.manifest.http import Http
from loadtest.rehearsal.wire import NoAnswerError, Wire
from loadtest.talk.filling import Filled


class Handler(BaseHTTPRequestHandler):
    """Answers what it was asked with."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        told = {
            "/old": ("Location", "/new?a=1"),
            "/loop": ("Location", "/loop"),
            "/away": ("Location", "http://example.com/"),
        }
        body = f"{self.path} {self.headers.get('Cookie', '-')} {self.client_address[0]}".encode()
        self.send_response(302 if self.path in told else 200)
        if self.path in told:
            self.send_header(*told[self.path])
        if self.path == "/set":
            self.send_header("Set-Cookie", "id=7; Path=/; HttpOnly")
            self.send_header("Set-Cookie", "lang=en")
        if "gzip" in self.headers.get("Accept-Encoding", ""):
            body = gzip.compress(body)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def wire(base_url: str, ordinal: int = 0, **keys: Any) -> Wire:
    buy = {"request": "POST /buy", "outcomes": [{"is": "won"}]}
    return Wire(Http.model_validate({"base_url": base_url, "buy": buy, **keys}), base_url, ordinal, 2)


def asked(there: Wire, path: str) -> str:
    response = there.send(Filled("GET", path, {}, None))
    return f"{response.status} {response.body.decode()}"


def test_cookies_only_where_the_manifest_keeps_them(base_url: str) -> None:
    keeps, forgets = wire(base_url, cookies=True), wire(base_url)
    for each in (keeps, forgets):
        asked(each, "/set")
    assert "id=7; lang=en" in asked(keeps, "/")
    assert "/ - " in asked(forgets, "/")
    assert (keeps.cookie("id"), forgets.cookie("id")) == ("7", None)


def test_redirects_only_where_buyers_follow_them_and_within_the_origin(base_url: str) -> None:
    follows = wire(base_url, follow_redirects=True)
    assert "302" in asked(wire(base_url), "/old")
    assert "200 /new?a=1" in asked(follows, "/old")
    assert "302" in asked(follows, "/loop")
    assert "302" in asked(follows, "/away")


def test_compressed_bodies_are_read(base_url: str) -> None:
    assert "200 / - 127.0.0.1" == asked(wire(base_url, compressed=True), "/")


def test_each_buyer_may_have_an_address(base_url: str) -> None:
    assert asked(wire(base_url, 4, source_addresses="127.1.0.0/16"), "/").endswith("127.1.0.5")


def test_nobody_there_is_told_with_the_address(closed_port: int) -> None:
    with pytest.raises(NoAnswerError, match=f"no answer from http://127.0.0.1:{closed_port}: Connection refused"):
        asked(wire(f"http://127.0.0.1:{closed_port}"), "/")
