"""An order that never left: both clients say so, and why, in a text that begins with ``connect:``."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from loadtest.load.http.client import Connection, NotSentError
from loadtest.load.http.endpoint import endpoint
from loadtest.stack.embedded import free_port
from tests.loadtest.load.conftest import Serve, Talk, answer
from tests.needs import need_namespace

NAMESPACE = ["unshare", "--map-root-user", "--net"]
WON = b"HTTP/1.1 202 Accepted\r\nContent-Length: 3\r\n\r\nwon"


def never_left(url: str, ca: str = "-", used_up: str = "nothing", prefix: list[str] | None = None) -> list[str]:
    """The text of each client, our own first."""
    command = [*(prefix or []), sys.executable, "-m", "tests.loadtest.load.never_left", url, ca, used_up]
    root = Path(__file__).parents[4]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=60, check=False, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [(kind, may_have_left) for kind, may_have_left, _ in found] == [("NotSentError", False)] * 2
    return [text for *_, text in found]


def test_a_host_without_an_address() -> None:
    for text in never_left("http://shop.invalid"):
        assert text.startswith("connect: ")


def test_a_closed_port() -> None:
    assert never_left(f"http://127.0.0.1:{free_port()}") == ["connect: connection refused"] * 2


def test_no_free_source_port() -> None:
    need_namespace(*NAMESPACE)
    texts = never_left("http://127.0.0.1:30000", used_up="ports", prefix=NAMESPACE)
    assert texts == ["connect: cannot assign requested address"] * 2


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_too_many_open_files(serve: Serve, scheme: str) -> None:
    texts = never_left(f"{scheme}://127.0.0.1:{serve(answer(WON)).port}", used_up="files")
    assert texts == ["connect: too many open files"] * 2


@pytest.mark.parametrize(
    "talk",
    [
        lambda peer: peer.recv(1),
        lambda peer: peer.sendall(WON),
        lambda peer: peer.sendall(b"\x15\x03\x03\x00\x02\x02\x28"),  # TLS's alert "handshake failure"
        answer(b"", end="reset"),
    ],
    ids=["closed", "not TLS", "refused", "reset"],
)
def test_a_tls_handshake_that_fails(serve: Serve, talk: Talk) -> None:
    for text in never_left(f"https://127.0.0.1:{serve(talk).port}"):
        assert text.startswith("connect: ")


def test_an_open_connection_that_takes_not_one_byte(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = serve.connection(answer(WON))
    request = connection.request("POST", "/", {}, b"")
    connection.exchange(request)
    connection._sock.shutdown(socket.SHUT_WR)
    # As where the server's end comes between the look at the connection and the send.
    monkeypatch.setattr(connection, "_poll", lambda _: False)
    with pytest.raises(NotSentError, match="connect: broken pipe, before anything was sent"):
        connection.exchange(request)


def test_a_time_out_needs_no_further_open_file(serve: Serve) -> None:
    """Else an order that is not answered would be waited for without end, where files are used up."""
    silent = serve(lambda peer: peer.recv(1) and peer.recv(65_536) and peer.recv(1))
    code = (
        "import sys\n"
        "from loadtest.load.http.client import Connection, HttpError\n"
        "from loadtest.load.http.endpoint import endpoint\n"
        "from tests.loadtest.load.never_left import without_files\n"
        "line = Connection(endpoint(sys.argv[1]), 0.5)\n"
        "line.connect()\n"
        "without_files()\n"
        "try:\n    line.exchange(line.request('POST', '/', {}, b''))\n"
        "except HttpError as error:\n    print(type(error).__name__)\n"
    )
    root = Path(__file__).parents[4]
    command = [sys.executable, "-c", code, f"http://127.0.0.1:{silent.port}"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=20, check=False, encoding="utf-8")
    assert done.stdout == "DeadlineError\n", done.stderr


def test_it_is_told_apart_from_one_that_may_have_left() -> None:
    connection = Connection(endpoint(f"http://127.0.0.1:{free_port()}"), 1)
    with pytest.raises(NotSentError, match=r"^connect: ") as raised:
        connection.exchange(connection.request("GET", "/", {}))
    assert not raised.value.may_have_left
