"""Which client a buyer gets, and from where it connects."""

import socket
from typing import Any

import pytest

from loadtest.load.http.client import Connection, NotSentError
from loadtest.load.http.endpoint import endpoint
from loadtest.load.http.line import lines
from loadtest.load.http.session import HeadedConnection, Session
from loadtest.manifest.http import Http

from ..conftest import Serve, answer

OK = b"HTTP/1.1 200 OK\r\nX-Id: 7\r\nSet-Cookie: sid=s1; Path=/\r\nContent-Length: 0\r\n\r\n"
WHERE = endpoint("http://127.0.0.1:1")


def http(**more: Any) -> Http:
    least = {"base_url": "http://x", "buy": {"request": "POST /buy", "outcomes": {"202": "won"}}}
    return Http.model_validate({**least, **more})


def test_headers_are_read_only_where_they_are_asked_for() -> None:
    assert [type(line) for line in lines(http(), WHERE, 1, 2)] == [Connection, Connection]
    assert [type(line) for line in lines(http(), WHERE, 1, 1, headed=True)] == [HeadedConnection]
    assert [type(line) for line in lines(http(cookies=True), WHERE, 1, 1)] == [Session]


def test_headers_and_cookies_that_an_answer_had(serve: Serve) -> None:
    where = endpoint(f"http://127.0.0.1:{serve(answer(OK)).port}")
    [headed] = lines(http(), where, 5, 1, headed=True)
    assert (b"x-id", b"7") in headed.exchange(headed.request("GET", "/", {})).headers
    assert headed.cookies() == {}
    one, other = lines(http(cookies=True), where, 5, 2)
    one.exchange(one.request("GET", "/", {}))
    assert one.cookies() == other.cookies() == {"sid": "s1"}
    for line in (headed, one, other):
        line.close()


def test_a_connection_comes_from_the_address_that_it_is_given(serve: Serve) -> None:
    seen: list[str] = []

    def talk(peer: socket.socket) -> None:
        seen.append(peer.getpeername()[0])
        answer(OK)(peer)

    where = endpoint(f"http://127.0.0.1:{serve(talk).port}")
    for source in ("127.1.2.3", "127.1.2.4"):
        [line] = lines(http(), where, 5, 1, source)
        line.connect()
        assert line.exchange(line.request("GET", "/", {})).status == 200
        line.close()
    assert seen == ["127.1.2.3", "127.1.2.4"]


def test_an_address_that_this_machine_does_not_have_is_an_order_that_never_left() -> None:
    [line] = lines(http(), endpoint("http://127.0.0.1:9"), 5, 1, "192.0.2.1")
    with pytest.raises(NotSentError, match="connect: "):
        line.connect()
