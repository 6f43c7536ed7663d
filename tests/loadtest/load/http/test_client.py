import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from loadtest.errors import UsageError
from loadtest.load.http import client as http
from loadtest.load.http.client import (
    BadAnswerError,
    Connection,
    DeadlineError,
    DisconnectedError,
    HttpError,
    NotSentError,
    Response,
)
from loadtest.load.http.endpoint import endpoint
from tests.loadtest.load.conftest import Serve, Talk, answer
from tests.needs import need_ipv6

REQUEST = b"POST /orders HTTP/1.1\r\nHost: shop\r\nContent-Length: 2\r\n\r\n{}"
WON = b"HTTP/1.1 202 Accepted\r\nContent-Length: 3\r\n\r\nwon"


def test_a_whole_answer(serve: Serve) -> None:
    assert serve.connection(answer(WON)).exchange(REQUEST) == Response(202, b"won")


def test_one_connection_serves_many_exchanges(serve: Serve) -> None:
    server = serve(answer(WON))
    connection = Connection(endpoint(f"http://127.0.0.1:{server.port}"), 5)
    assert [connection.exchange(REQUEST).status for _ in range(3)] == [202, 202, 202]
    assert server.accepted == 1


@pytest.mark.parametrize(
    ("parts", "end", "expected"),
    [
        ([WON[:10], WON[10:30], WON[30:]], "keep", Response(202, b"won")),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"2\r\nab\r\n1\r", b"\nc\r\n0\r\n\r\n"], "keep",
         Response(200, b"abc")),
        ([b"HTTP/1.1 204 No Content\r\n\r\n"], "keep", Response(204, b"")),
        ([b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n"], "keep", Response(410, b"")),
        ([b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n"], "keep", Response(302, b"")),
        ([b"HTTP/1.1 103 Early Hints\r\n\r\n", WON], "keep", Response(202, b"won")),
        ([b"HTTP/1.0 200 OK\r\n\r\n", b"to the end"], "close", Response(200, b"to the end")),
        ([WON.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")], "close", Response(202, b"won")),
    ],
)  # fmt: skip
def test_answers_in_every_form(serve: Serve, parts: list[bytes], end: str, expected: Response) -> None:
    assert serve.connection(slowly(parts, end)).exchange(REQUEST) == expected


def slowly(parts: list[bytes], end: str) -> Talk:
    def talk(peer: socket.socket) -> None:
        while peer.recv(65_536):
            for part in parts:
                peer.sendall(part)
                time.sleep(0.02)
            if end == "close":
                return

    return talk


@pytest.mark.parametrize(
    ("talk", "error"),
    [
        (answer(b"", end="close"), DisconnectedError),
        (answer(b"", end="reset"), DisconnectedError),
        (answer(WON[:-1], end="close"), DisconnectedError),
        (answer(WON[:-1], end="reset"), DisconnectedError),
        (answer(WON[:25], end="close"), DisconnectedError),
        (answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", end="close"), DisconnectedError),
        (answer(b"SSH-2.0-OpenSSH_9.2\r\n"), BadAnswerError),
        (answer(b"\x15\x03\x01\x00\x02\x02\x46"), BadAnswerError),
        (answer(b"HTTP/1.1 abc\r\n\r\n"), BadAnswerError),
        (answer(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"), BadAnswerError),
        (answer(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nhm"), BadAnswerError),
        (answer(WON + WON), BadAnswerError),
        (answer(WON + WON[:20]), BadAnswerError),
        (answer(b"HTTP/1.1 200 OK\r\nX: " + b"a" * (http.MAX_HEAD_BYTES + 1)), BadAnswerError),
        (answer(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000), BadAnswerError),
        (answer(b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n" + b"a" * (http.MAX_ANSWER_BYTES + 1)),
         BadAnswerError),
    ],
)  # fmt: skip
def test_what_is_no_answer_may_have_left(serve: Serve, talk: Talk, error: type[HttpError]) -> None:
    with pytest.raises(error) as raised:
        serve.connection(talk).exchange(REQUEST)
    assert type(raised.value) is error
    assert raised.value.may_have_left


def test_a_dripping_server_holds_nobody_past_the_deadline(serve: Serve) -> None:
    def drip(peer: socket.socket) -> None:
        peer.recv(65_536)
        for byte in WON * 100:
            peer.sendall(bytes([byte]))
            time.sleep(0.05)

    start = time.monotonic()
    with pytest.raises(DeadlineError, match=r"no answer in 0\.3 s") as raised:
        serve.connection(drip, timeout_s=0.3).exchange(REQUEST)
    assert raised.value.may_have_left
    assert 0.25 < time.monotonic() - start < 2


def test_a_silent_server_meets_the_deadline_also_later_on_a_used_connection(serve: Serve) -> None:
    def once(peer: socket.socket) -> None:
        peer.recv(65_536)
        peer.sendall(WON)
        peer.recv(65_536)
        time.sleep(3)

    connection = serve.connection(once, timeout_s=0.4)
    assert connection.exchange(REQUEST).status == 202
    time.sleep(0.2)
    start = time.monotonic()
    with pytest.raises(DeadlineError):
        connection.exchange(REQUEST)
    assert 0.35 < time.monotonic() - start < 2


def test_an_alarm_set_for_an_earlier_exchange_cuts_none_short(serve: Serve) -> None:
    def paced(peer: socket.socket) -> None:
        while peer.recv(65_536):
            time.sleep(0.6)
            peer.sendall(WON)

    connection = serve.connection(paced, timeout_s=1)
    assert [connection.exchange(REQUEST).status for _ in range(4)] == [202] * 4


def test_nothing_is_sent_twice(serve: Serve) -> None:
    seen: list[bytes] = []

    def swallow(peer: socket.socket) -> None:
        seen.append(peer.recv(65_536))

    with pytest.raises(DisconnectedError):
        serve.connection(swallow).exchange(REQUEST)
    time.sleep(0.1)
    assert seen == [REQUEST]


def test_the_exchange_after_an_error_opens_another_connection(serve: Serve) -> None:
    connection = serve.connection(answer(b"", end="reset"), answer(WON))
    with pytest.raises(DisconnectedError):
        connection.exchange(REQUEST)
    assert connection.exchange(REQUEST).status == 202


def test_a_connection_found_closed_is_opened_anew_before_the_send(serve: Serve) -> None:
    server = serve(answer(WON, end="close"), answer(WON))
    connection = Connection(endpoint(f"http://127.0.0.1:{server.port}"), 5)
    assert connection.exchange(REQUEST).status == 202
    time.sleep(0.05)
    assert connection.exchange(REQUEST).status == 202
    assert server.accepted == 2


def test_a_connection_that_is_closed_on_the_request_leaves_it_unknown(serve: Serve) -> None:
    seen: list[bytes] = []

    def leave(peer: socket.socket) -> None:
        seen.append(peer.recv(65_536))
        peer.sendall(WON)
        seen.append(peer.recv(65_536))

    connection = serve.connection(leave)
    assert connection.exchange(REQUEST).status == 202
    with pytest.raises(DisconnectedError) as raised:
        connection.exchange(REQUEST)
    assert raised.value.may_have_left
    assert seen == [REQUEST, REQUEST]


def test_refused_means_that_nothing_left() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(NotSentError, match="connect: connection refused") as raised:
        Connection(endpoint(f"http://127.0.0.1:{port}"), 5).exchange(REQUEST)
    assert not raised.value.may_have_left


@pytest.fixture
def full_port() -> Iterator[int]:
    """A port that takes no more connections."""
    with contextlib.ExitStack() as open_until_the_end:
        full = open_until_the_end.enter_context(socket.socket())
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):
            filler = open_until_the_end.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        time.sleep(0.1)
        yield full.getsockname()[1]


def test_no_connection_in_time_means_that_nothing_left(full_port: int) -> None:
    start = time.monotonic()
    with pytest.raises(NotSentError, match=r"no connection in 0\.3 s"):
        Connection(endpoint(f"http://127.0.0.1:{full_port}"), 0.3).exchange(REQUEST)
    assert time.monotonic() - start < 2


def test_every_address_of_a_name_is_tried(
    serve: Serve, closed_port: int, full_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ports = [closed_port, full_port, serve(answer(WON)).port]

    def addresses(*_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in ports]

    monkeypatch.setattr(http.socket, "getaddrinfo", addresses)
    start = time.monotonic()
    assert Connection(endpoint("http://shop.example"), 1.5).exchange(REQUEST).status == 202
    assert 0.45 < time.monotonic() - start < 1.4  # a third of the time-out went to the one that is silent
    del ports[2:]
    with pytest.raises(NotSentError, match=r"no connection in 0\.2 s"):
        Connection(endpoint("http://shop.example"), 0.2).exchange(REQUEST)


def test_a_name_that_does_not_exist() -> None:
    with pytest.raises(NotSentError, match="connect: ") as raised:
        Connection(endpoint("http://shop.invalid"), 5).exchange(REQUEST)
    assert not raised.value.may_have_left


def test_a_large_request_is_sent_whole(serve: Serve) -> None:
    received = threading.Event()

    def sink(peer: socket.socket) -> None:
        time.sleep(0.1)  # lets the socket's buffers fill
        left = len(large)
        while left:
            left -= len(peer.recv(65_536))
        received.set()
        peer.sendall(WON)

    large = endpoint("http://shop").request("POST", "/orders", {}, b"x" * 20_000_000)
    assert serve.connection(sink).exchange(large).status == 202
    assert received.is_set()


def test_ipv6(serve: Serve) -> None:
    need_ipv6()
    server = serve(answer(WON), family=socket.AF_INET6)
    assert Connection(endpoint(f"http://[::1]:{server.port}"), 5).exchange(REQUEST).status == 202


def over_tls(talk: Talk, certificate: tuple[Path, Path]) -> Talk:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)

    def wrapped(peer: socket.socket) -> None:
        with context.wrap_socket(peer, server_side=True) as secure:
            talk(secure)

    return wrapped


def test_tls_verified_by_a_given_authority(serve: Serve, certificate: tuple[Path, Path]) -> None:
    server = serve(over_tls(answer(WON), certificate))
    connection = Connection(endpoint(f"https://localhost:{server.port}", ca=certificate[0]), 5)
    assert [connection.exchange(REQUEST).status for _ in range(2)] == [202, 202]
    assert server.accepted == 1


def test_an_idle_tls_connection_is_kept(serve: Serve, certificate: tuple[Path, Path]) -> None:
    server = serve(over_tls(answer(WON), certificate))
    connection = Connection(endpoint(f"https://localhost:{server.port}", ca=certificate[0]), 5)
    for _ in range(3):
        assert connection.exchange(REQUEST).status == 202
        time.sleep(0.05)
    assert server.accepted == 1


def test_what_comes_between_two_exchanges_over_tls_is_not_the_answer_to_the_next(
    serve: Serve, certificate: tuple[Path, Path]
) -> None:
    def chatty(peer: socket.socket) -> None:
        peer.recv(65_536)
        peer.sendall(WON)
        peer.sendall(WON.replace(b"won", b"odd"))
        peer.recv(65_536)

    server = serve(over_tls(chatty, certificate), over_tls(answer(WON), certificate))
    connection = Connection(endpoint(f"https://localhost:{server.port}", ca=certificate[0]), 5)
    assert connection.exchange(REQUEST).body == b"won"
    time.sleep(0.05)
    assert connection.exchange(REQUEST).body == b"won"
    assert server.accepted == 2


def test_tls_that_does_not_verify_means_that_nothing_left(
    serve: Serve, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(over_tls(answer(WON), certificate))
    with pytest.raises(NotSentError, match="certificate verify failed"):
        Connection(endpoint(f"https://localhost:{server.port}"), 5).exchange(REQUEST)
    insecure = endpoint(f"https://localhost:{server.port}", insecure=True)
    assert Connection(insecure, 5).exchange(REQUEST).status == 202
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    assert Connection(endpoint(f"https://localhost:{server.port}"), 5).exchange(REQUEST).status == 202


def test_a_silent_server_meets_the_deadline_over_tls(serve: Serve, certificate: tuple[Path, Path]) -> None:
    server = serve(over_tls(lambda _: time.sleep(3), certificate))
    start = time.monotonic()
    with pytest.raises(DeadlineError):
        Connection(endpoint(f"https://localhost:{server.port}", ca=certificate[0]), 0.4).exchange(REQUEST)
    assert time.monotonic() - start < 2


def test_a_server_that_never_shakes_hands(serve: Serve) -> None:
    server = serve(lambda _: time.sleep(3))
    with pytest.raises(NotSentError, match=r"no connection in 0\.3 s"):
        Connection(endpoint(f"https://localhost:{server.port}", insecure=True), 0.3).exchange(REQUEST)


@pytest.mark.parametrize("url", ["", "127.0.0.1:80", "ftp://x", "http://", "http://x:notaport", "http://u@x", "http://.x", "http://a b",
                                 "http://" + "x" * 64 + ".example", "http://[::1"])  # fmt: skip
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(UsageError, match="--host"):
        endpoint(url)


def test_the_bytes_of_a_request() -> None:
    where = endpoint("http://shop.example:8080/flash/")
    expected = b"POST /flash/orders HTTP/1.1\r\nHost: shop.example:8080\r\nX: y\r\nContent-Length: 2\r\n\r\n{}"
    assert where.request("POST", "/orders", {"X": "y"}, b"{}") == expected


@pytest.mark.parametrize("path", ["/orders/1\r\nX: y", "/a b", "/\x00"])
def test_a_path_stays_in_its_line(path: str) -> None:
    with pytest.raises(UsageError, match="control character in the path"):
        endpoint("http://shop").request("GET", path, {})


def test_a_header_stays_in_its_line() -> None:
    with pytest.raises(UsageError, match="line break"):
        endpoint("http://shop").request("GET", "/", {"X": "y\r\nZ: z"})


def test_names_in_other_scripts() -> None:
    where = endpoint("https://b\xfccher.example:8443/kasse/")
    assert (where.host, where.port) == ("xn--bcher-kva.example", 8443)
    assert where.url == "https://xn--bcher-kva.example:8443/kasse"
    assert b"\r\nHost: xn--bcher-kva.example:8443\r\n" in where.request("GET", "/", {})
