"""The client beside a server that others wrote."""

import time

import pytest

from loadtest.load.http.client import Connection, NotSentError, Response
from loadtest.load.http.endpoint import endpoint
from tests.loadtest.load.conftest import Nginx, session


def get(path: str, url: str, method: str = "GET", headers: dict[str, str] | None = None) -> bytes:
    return endpoint(url).request(method, path, headers or {})


def connection(url: str, nginx: Nginx) -> Connection:
    return Connection(endpoint(url, nginx.cert), 5)


@pytest.mark.parametrize("scheme", ["http", "http6", "https"])
def test_one_connection_serves_many(nginx: Nginx, scheme: str) -> None:
    url = getattr(nginx, scheme)
    line = connection(url, nginx)
    answers = [line.exchange(get("/which", url)).body.split() for _ in range(5)]
    assert len({number for number, _ in answers}) == 1
    assert [int(asked) for _, asked in answers] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("POST", "/order", (202, b'{"number": "sale-000001"}')),
        ("GET", "/empty", (204, b"")),
        ("HEAD", "/page.txt", (200, b"")),
        ("HEAD", "/chunked", (200, b"")),
        ("GET", "/page.txt", (200, b"queue " * 1000)),
        ("GET", "/chunked", (200, b"Q " * 1000)),
        ("GET", "/no-such-page", 404),
        ("GET", "/moved", 302),
    ],
)
def test_answers_of_every_form_leave_the_connection_sound(
    nginx: Nginx, method: str, path: str, expected: tuple[int, bytes] | int
) -> None:
    line = connection(nginx.http, nginx)
    before = line.exchange(get("/which", nginx.http)).body.split()[0]
    response = line.exchange(get(path, nginx.http, method))
    assert response == Response(*expected) if isinstance(expected, tuple) else response.status == expected
    assert line.exchange(get("/which", nginx.http)).body == before + b" 3"


def test_an_answer_that_was_not_modified_has_no_body(nginx: Nginx) -> None:
    line = connection(nginx.http, nginx)
    later = {"If-Modified-Since": "Fri, 01 Jan 2038 00:00:00 GMT"}
    assert line.exchange(get("/page.txt", nginx.http, headers=later)) == (304, b"", ())
    assert line.exchange(get("/which", nginx.http)).body.endswith(b" 2")


def test_a_server_that_ends_connections_after_some_requests_costs_no_order(nginx: Nginx) -> None:
    line = connection(nginx.http, nginx)
    answers = [line.exchange(get("/few", nginx.http)) for _ in range(7)]
    assert {answer.status for answer in answers} == {200}
    numbers = [answer.body for answer in answers]
    assert len(set(numbers)) == 4
    assert sorted(numbers, key=int) == numbers


def test_a_connection_that_nginx_closed_while_idle_is_opened_anew(nginx: Nginx) -> None:
    line = connection(nginx.http, nginx)
    first = line.exchange(get("/brief", nginx.http)).body
    time.sleep(0.6)
    assert line.exchange(get("/brief", nginx.http)).body != first


def test_the_name_is_told_and_verified(nginx: Nginx) -> None:
    assert connection(nginx.https, nginx).exchange(get("/sni", nginx.https)).body.startswith(b"localhost TLSv1.")
    with pytest.raises(NotSentError, match="certificate verify failed"):
        Connection(endpoint(nginx.https), 5).exchange(get("/sni", nginx.https))
    by_number = nginx.https.replace("localhost", "127.0.0.1")
    with pytest.raises(NotSentError, match=r"not valid for '127\.0\.0\.1'"):
        connection(by_number, nginx).exchange(get("/sni", by_number))


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_session_on_nginx(nginx: Nginx, scheme: str) -> None:
    line = session(getattr(nginx, scheme), ca=nginx.cert)
    packed = line.exchange(line.request("GET", "/gzip", {}))
    assert (b"content-encoding", b"gzip") in packed.headers
    assert packed.body == b"queue " * 1000
    number = line.exchange(line.request("GET", "/moved-on", {})).body.split()[0]
    assert line.exchange(line.request("GET", "/seat", {})).body == b""
    assert line.exchange(line.request("GET", "/cookie", {})).body == b"set"
    assert line.exchange(line.request("GET", "/seat", {})).body == b"seat=42"
    assert line.exchange(line.request("GET", "/moved-away", {})).status == 302
    assert line.exchange(line.request("POST", "/moved", {}, b"{}")).status == 302
    assert line.exchange(line.request("HEAD", "/gzip", {})).status == 200
    assert line.exchange(line.request("GET", "/which", {})).body.split()[0] == number
