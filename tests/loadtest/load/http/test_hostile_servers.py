"""Servers that break the rules, by mistake or on purpose. Each costs one clean error, and spoils nothing further."""

import socket
import time
from collections.abc import Callable
from itertools import repeat
from typing import Any

import gevent
import pytest

from loadtest.load.http.client import (
    MAX_ANSWER_BYTES,
    BadAnswerError,
    Connection,
    DeadlineError,
    DisconnectedError,
    HttpError,
    Response,
)
from loadtest.load.http.endpoint import endpoint
from tests.loadtest.load.conftest import Serve, Talk, answer

ORDER = b"POST /orders HTTP/1.1\r\nHost: shop\r\nContent-Length: 2\r\n\r\n{}"
WON = b"HTTP/1.1 202 Accepted\r\nContent-Length: 3\r\n\r\nwon"
SOLD_OUT = b"HTTP/1.1 410 Gone\r\nContent-Length: 8\r\n\r\nsold out"
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
EXPECTED = {"bad": BadAnswerError, "gone": DisconnectedError, "late": DeadlineError}


def endless(head: bytes, part: bytes) -> Talk:
    """Answers with `head`, and then with `part` for as long as it is listened to."""

    def talk(peer: socket.socket) -> None:
        peer.recv(65_536)
        peer.sendall(head)
        for block in repeat(part * (8192 // len(part) + 1)):
            peer.sendall(block)

    return talk


def drip(head: bytes, part: bytes) -> Talk:
    """The same, a part every 50 ms."""

    def talk(peer: socket.socket) -> None:
        peer.recv(65_536)
        peer.sendall(head)
        for block in repeat(part):
            peer.sendall(block)
            time.sleep(0.05)

    return talk


def silent(peer: socket.socket) -> None:
    peer.recv(65_536)
    time.sleep(5)


HOSTILE: dict[str, tuple[str, Talk]] = {
    "no answer": ("gone", answer(b"", end="close")),
    "reset after the send": ("gone", answer(b"", end="reset")),
    "reset within the head": ("gone", answer(WON[:20], end="reset")),
    "cut off within the head": ("gone", answer(WON[:20], end="close")),
    "cut off within the body": ("gone", answer(WON[:-1], end="close")),
    "cut off within a chunk": ("gone", answer(CHUNKED + b"5\r\nab", end="close")),
    "cut off before the last chunk": ("gone", answer(CHUNKED + b"2\r\nab\r\n", end="close")),
    "cut off after an interim answer": ("gone", answer(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 202 A", end="close")),
    "an interim answer only": ("gone", answer(b"HTTP/1.1 100 Continue\r\n\r\n", end="close")),
    "empty lines only": ("gone", answer(b"\r\n\r\n\r\n\r\n", end="close")),
    "a length that is too large": ("gone", answer(OK + b"Content-Length: 4\r\n\r\nwon", end="close")),
    "garbage": ("bad", answer(bytes(range(256)) * 8)),
    "nulls": ("bad", answer(b"\0" * 100)),
    "HTTP/2": ("bad", answer(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x80\x00\x04\x00\x01\x00\x00")),
    "HTTP/0.9": ("bad", answer(b"won\r\n", end="close")),
    "a request": ("bad", answer(ORDER)),
    "a null in a header": ("bad", answer(OK + b"X: \0\r\nContent-Length: 0\r\n\r\n")),
    "a header without a name": ("bad", answer(OK + b": x\r\nContent-Length: 0\r\n\r\n")),
    "a status of two digits": ("bad", answer(b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n")),
    "a negative length": ("bad", answer(OK + b"Content-Length: -3\r\n\r\nwon")),
    "a length past 64 bits": ("bad", answer(OK + b"Content-Length: 99999999999999999999999\r\n\r\nwon")),
    "two lengths": ("bad", answer(OK + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nwon")),
    "a length that is too small": ("bad", answer(OK + b"Content-Length: 2\r\n\r\nwon")),
    "both length and chunks": ("bad", answer(OK + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")),
    "a negative chunk": ("bad", answer(CHUNKED + b"-3\r\nwon\r\n0\r\n\r\n")),
    "a chunk size past 64 bits": ("bad", answer(CHUNKED + b"f" * 20 + b"\r\nwon")),
    "a chunk without a size": ("bad", answer(CHUNKED + b"\r\nwon\r\n0\r\n\r\n")),
    "a chunk longer than its size": ("bad", answer(CHUNKED + b"2\r\nwon\r\n0\r\n\r\n")),
    "an upgrade": ("bad", answer(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nhm")),
    "two answers": ("bad", answer(WON + SOLD_OUT)),
    "an answer and the first byte of another": ("bad", answer(WON + b"H")),
    "an answer and garbage": ("bad", answer(WON + b"\x00\xff")),
    "a header without an end": ("bad", endless(OK + b"X: ", b"a")),
    "headers without an end": ("bad", endless(OK, b"X: y\r\n")),
    "headers without an end after an interim answer": ("bad", endless(b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK, b"X: y\r\n")),
    "interim answers without an end": ("bad", endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n")),
    "empty lines without an end": ("bad", endless(b"", b"\r\n")),
    "a body without an end": ("bad", endless(OK + b"\r\n", b"a")),
    "chunks without an end": ("bad", endless(CHUNKED, b"1\r\na\r\n")),
    "a chunk's extension without an end": ("bad", endless(CHUNKED + b"1;", b"a=b;")),
    "trailers without an end": ("bad", endless(CHUNKED + b"0\r\n", b"X: y\r\n")),
    "a gigabyte announced and begun": ("bad", endless(OK + b"Content-Length: 1000000000\r\n\r\n", b"a")),
    "silence": ("late", silent),
    "headers in drips": ("late", drip(OK, b"X: y\r\n")),
    "a body in drips": ("late", drip(OK + b"Content-Length: 1000\r\n\r\n", b"a")),
    "chunks in drips": ("late", drip(CHUNKED, b"1\r\na\r\n")),
    "interim answers in drips": ("late", drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n")),
}  # fmt: skip


@pytest.mark.parametrize("kind", ["connection", "session"])
@pytest.mark.parametrize("what", HOSTILE)
def test_one_clean_error_and_the_next_exchange_is_sound(serve: Serve, kind: str, what: str) -> None:
    expected, talk = HOSTILE[what]
    timeout_s = 0.3 if expected == "late" else 5.0
    line = getattr(serve, kind)(talk, answer(WON), timeout_s=timeout_s)
    start = time.monotonic()
    with pytest.raises(HttpError) as raised:
        line.exchange(ORDER)
    assert type(raised.value) is EXPECTED[expected], raised.value
    assert raised.value.may_have_left
    assert time.monotonic() - start < timeout_s + 1.5
    assert line.exchange(ORDER)[:2] == (202, b"won")


@pytest.mark.parametrize("start", [OK, b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK])
def test_headers_have_a_limit_of_their_own(serve: Serve, start: bytes) -> None:
    with pytest.raises(BadAnswerError, match="headers over 65536 bytes"):
        serve.connection(endless(start, b"X: y\r\n")).exchange(ORDER)


def test_what_comes_between_two_exchanges_is_not_the_answer_to_the_next(serve: Serve) -> None:
    def chatty(peer: socket.socket) -> None:
        peer.recv(65_536)
        peer.sendall(SOLD_OUT)
        time.sleep(0.05)
        peer.sendall(SOLD_OUT)
        time.sleep(1)

    line = serve.connection(chatty, answer(WON))
    assert line.exchange(ORDER) == Response(410, b"sold out")
    time.sleep(0.1)
    assert line.exchange(ORDER) == Response(202, b"won")


@pytest.mark.parametrize("waits", [time.sleep, gevent.sleep], ids=["the hub asleep", "the hub awake"])
def test_an_answer_before_the_request_is_not_the_answer(serve: Serve, waits: Callable[[float], Any]) -> None:
    def hasty(peer: socket.socket) -> None:
        peer.sendall(SOLD_OUT)
        time.sleep(1)

    line = serve.connection(hasty, answer(WON))
    line.connect()
    used_s = time.process_time()
    waits(0.2)
    assert time.process_time() - used_s < 0.1  # the hub does not turn over what nobody reads
    assert line.exchange(ORDER) == Response(202, b"won")


@pytest.mark.parametrize("ending", [b"\r\n", b"\r\n\r\n"])
def test_empty_lines_after_an_answer_do_no_harm(serve: Serve, ending: bytes) -> None:
    line = serve.connection(answer(WON + ending))
    assert [line.exchange(ORDER).body for _ in range(3)] == [b"won"] * 3


def test_an_upgrade_that_is_only_offered_is_an_answer(serve: Serve) -> None:
    offer = WON.replace(b"\r\n\r\n", b"\r\nUpgrade: h2,h2c\r\nConnection: Upgrade\r\n\r\n")
    line = serve.connection(answer(offer))
    assert [line.exchange(ORDER).body for _ in range(2)] == [b"won"] * 2


def test_a_body_that_looks_like_headers_ends_with_its_connection(serve: Serve) -> None:
    line = serve.connection(answer(OK + b"\r\nwon\r\nContent-Length: 99\r\n\r\n", end="close"))
    assert line.exchange(ORDER) == Response(200, b"won\r\nContent-Length: 99\r\n\r\n")


def test_a_megabyte_in_chunks_of_one_byte(serve: Serve) -> None:
    chunks = MAX_ANSWER_BYTES // 6 - 100
    line = serve.connection(answer(CHUNKED + b"1\r\na\r\n" * chunks + b"0\r\n\r\n"))
    assert line.exchange(ORDER) == Response(200, b"a" * chunks)


def test_an_early_answer_to_a_large_request_spins_nobody(serve: Serve) -> None:
    def early(peer: socket.socket) -> None:
        peer.sendall(SOLD_OUT)
        time.sleep(0.5)
        left = len(large)
        while left:
            left -= len(peer.recv(65_536))
        answer(WON)(peer)

    large = b"POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 20000000\r\n\r\n" + b"x" * 20_000_000
    server = serve(early)
    line = Connection(endpoint(f"http://127.0.0.1:{server.port}"), 5)
    used_s = time.process_time()
    assert line.exchange(large) == Response(410, b"sold out")
    assert time.process_time() - used_s < 0.4
    time.sleep(0.1)
    assert line.exchange(ORDER) == Response(202, b"won")
    assert server.accepted == 1


@pytest.mark.parametrize("method", [b"GET", b"POST", b"PUT", b"DELETE", b"HEAD"])
def test_no_method_is_sent_twice(serve: Serve, method: bytes) -> None:
    seen: list[bytes] = []

    def swallow(peer: socket.socket) -> None:
        seen.append(peer.recv(65_536))

    request = method + b" / HTTP/1.1\r\nHost: shop\r\n\r\n"
    with pytest.raises(DisconnectedError):
        serve.session(swallow).exchange(request)
    time.sleep(0.05)
    assert [len(request)] == [len(data) for data in seen]
