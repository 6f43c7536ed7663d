import gzip
import socket
import time
import tracemalloc

import pytest

from loadtest.load.http.client import (
    MAX_ANSWER_BYTES,
    BadAnswerError,
    Connection,
    DeadlineError,
    DisconnectedError,
    Response,
)
from loadtest.load.http.cookies import Jar
from loadtest.load.http.endpoint import endpoint
from loadtest.load.http.line import lines
from loadtest.load.http.session import MAX_REDIRECTS, HeadedConnection, Session
from loadtest.manifest.http import Http
from tests.loadtest.load.conftest import Serve, Talk, answer, session

GET = b"GET /page?x=1 HTTP/1.1\r\nHost: shop\r\n\r\n"
EMPTY = b"Content-Length: 0\r\n\r\n"


def told(seen: list[bytes], *answers: bytes, pause_s: float = 0) -> Talk:
    """Answers in turn, the last one for ever, and keeps what was asked in `seen`."""

    def talk(peer: socket.socket) -> None:
        while request := peer.recv(65_536):
            seen.append(request)
            time.sleep(pause_s)
            peer.sendall(answers[min(len(seen), len(answers)) - 1])

    return talk


def moved(to: bytes, status: int = 302) -> bytes:
    return b"HTTP/1.1 %d Moved\r\nLocation: %b\r\n" % (status, to) + EMPTY


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhere"


@pytest.mark.parametrize(
    ("location", "asked"),
    [
        (b"/other?y=2", b"/other?y=2"),
        (b"other", b"/other"),
        (b"?y=2", b"/page?y=2"),
        (b"/a b\xc3\xa9#part", b"/a%20b%C3%A9"),
        (b"/%C3%A9/%2F", b"/%C3%A9/%2F"),
        (b"//127.0.0.1:@PORT@/other", b"/other"),
        (b"HTTP://127.0.0.1:@PORT@/other", b"/other"),
    ],
)
def test_a_get_is_sent_on(serve: Serve, location: bytes, asked: bytes) -> None:
    seen: list[bytes] = []

    def talk(peer: socket.socket) -> None:
        there = location.replace(b"@PORT@", str(server.port).encode())
        told(seen, moved(there), OK)(peer)

    server = serve(talk)
    line = session(f"http://127.0.0.1:{server.port}")
    assert line.exchange(GET)[:2] == (200, b"here")
    assert seen == [GET, GET.replace(b"/page?x=1", asked)]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_only_a_get_is_sent_on(serve: Serve, status: int) -> None:
    seen: list[bytes] = []
    line = serve.session(told(seen, moved(b"/other", status)))
    order = b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"
    assert line.exchange(order).status == status
    assert seen == [order]


@pytest.mark.parametrize(
    "location", [b"http://shop.invalid/", b"https://127.0.0.1/", b"http://127.0.0.1:1/", b"ftp://x/", b"http://[", b""]
)
def test_a_redirect_to_another_origin_is_an_answer(serve: Serve, location: bytes) -> None:
    seen: list[bytes] = []
    assert serve.session(told(seen, moved(location))).exchange(GET).status == 302
    assert seen == [GET]


def test_redirects_end(serve: Serve) -> None:
    seen: list[bytes] = []
    with pytest.raises(BadAnswerError, match=f"more than {MAX_REDIRECTS} redirects"):
        serve.session(told(seen, moved(b"/round"))).exchange(GET)
    assert len(seen) == 1 + MAX_REDIRECTS


def test_one_deadline_for_all_redirects(serve: Serve) -> None:
    seen: list[bytes] = []
    line = serve.session(told(seen, moved(b"/round"), pause_s=0.15), timeout_s=0.4)
    start = time.monotonic()
    with pytest.raises(DeadlineError, match=r"no answer in 0\.4 s"):
        line.exchange(GET)
    assert time.monotonic() - start < 1.5
    assert 2 <= len(seen) <= 3


def test_a_redirect_to_a_server_that_went_away_did_leave(serve: Serve) -> None:
    def once(peer: socket.socket) -> None:
        peer.recv(65_536)
        server.close()
        peer.sendall(moved(b"/other").replace(b"\r\n", b"\r\nConnection: close\r\n", 1))

    server = serve(once)
    with pytest.raises(DisconnectedError, match="redirect: connect: connection refused"):
        session(f"http://127.0.0.1:{server.port}").exchange(GET)
    serve.servers.clear()


def test_cookies_are_shared_by_the_lines_of_a_buyer(serve: Serve) -> None:
    seen: list[bytes] = []
    login = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2; Path=/x\r\n" + EMPTY
    server = serve(told(seen, b"HTTP/1.1 103 Hints\r\nSet-Cookie: c=3\r\n\r\n" + login, OK))
    http = manifest(cookies=True)
    first, second = lines(http, endpoint(f"http://127.0.0.1:{server.port}"), 5, 2)
    other, *_ = lines(http, endpoint(f"http://127.0.0.1:{server.port}"), 5, 1)
    for line in (first, second, other):
        line.exchange(GET)
    assert seen == [GET, GET.replace(b"\r\n", b"\r\nCookie: a=1\r\n", 1), GET]


def packed(body: bytes, encoding: bytes = b"gzip") -> Talk:
    return answer(
        b"HTTP/1.1 200 OK\r\nContent-Encoding: %b\r\nContent-Length: %d\r\n\r\n%b" % (encoding, len(body), body)
    )


def test_a_bomb_does_not_go_off(serve: Serve) -> None:
    line = serve.session(packed(gzip.compress(b"\0" * (MAX_ANSWER_BYTES * 50))))
    tracemalloc.start()
    with pytest.raises(BadAnswerError, match=r"over 1048576 bytes when unpacked"):
        line.exchange(GET)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * MAX_ANSWER_BYTES


@pytest.mark.parametrize(
    ("body", "encoding", "match"),
    [
        (gzip.compress(b"won")[:-1], b"gzip", "cut off, or goes on"),
        (gzip.compress(b"won") + b"x", b"gzip", "cut off, or goes on"),
        (gzip.compress(b"won") * 2, b"gzip", "cut off, or goes on"),
        (b"won", b"gzip", "damaged"),
        (b"won", b"br", "content-encoding 'br': expected gzip or deflate"),
        (gzip.compress(b"won"), b"gzip, gzip", "content-encoding 'gzip, gzip'"),
    ],
)
def test_a_body_that_does_not_unpack(serve: Serve, body: bytes, encoding: bytes, match: str) -> None:
    with pytest.raises(BadAnswerError, match=match):
        serve.session(packed(body, encoding)).exchange(GET)


def test_what_is_not_asked_for_is_not_sent(serve: Serve) -> None:
    where = endpoint("http://shop")
    assert type(lines(manifest(), where, 5, 1)[0]) is Connection
    asks = Session(HeadedConnection(where, 5), None, follows=False, compressed=True)
    assert b"\r\nAccept-Encoding: gzip, deflate\r\n" in asks.request("GET", "/", {})
    asks_not = Session(HeadedConnection(where, 5), Jar("shop", False), follows=True, compressed=False)
    assert asks_not.request("GET", "/", {}) == where.request("GET", "/", {})


def test_off_means_off(serve: Serve) -> None:
    packed = (
        b"HTTP/1.1 302 Found\r\nLocation: /x\r\nSet-Cookie: a=1\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\n?"
    )
    seen: list[bytes] = []
    server = serve(told(seen, packed))
    line = Session(
        HeadedConnection(endpoint(f"http://127.0.0.1:{server.port}"), 5), None, follows=False, compressed=False
    )
    assert [line.exchange(GET)[:2] for _ in range(2)] == [Response(302, b"?")[:2]] * 2
    assert seen == [GET, GET]


def manifest(**options: bool) -> Http:
    text = {
        "base_url": "http://shop",
        "warm": {"request": "GET /"},
        "buy": {"request": "POST /", "outcomes": {"202": "won"}},
    }
    return Http.model_validate({**text, **options})
