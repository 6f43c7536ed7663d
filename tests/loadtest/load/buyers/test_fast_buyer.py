"""Locust's fast client under the rule of a `Line`: sent at most once, and every failure says whether it may have left."""

import json
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from loadtest.stack.embedded import free_port
from tests.loadtest.load.conftest import Nginx, Serve, Talk, answer

WON = b"HTTP/1.1 202 Accepted\r\nContent-Length: 3\r\n\r\nwon"
SOLD_OUT = b"HTTP/1.1 410 Gone\r\nContent-Length: 8\r\n\r\nsold out"
AWAY = b"HTTP/1.1 302 Found\r\nLocation: http://shop.invalid/\r\nContent-Length: 0\r\n\r\n"
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE")


def in_its_own_process(cases: list[Any]) -> list[Any]:
    command = [sys.executable, "-m", "tests.loadtest.load.fast_line"]
    root = Path(__file__).parents[3]
    done = subprocess.run(
        command,
        cwd=root,
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def kept(seen: list[bytes], talk: Talk) -> Talk:
    """The same talk, and its first request in `seen`."""

    def keeps(peer: socket.socket) -> None:
        seen.append(peer.recv(65_536, socket.MSG_PEEK))
        talk(peer)

    return keeps


def test_failures(serve: Serve) -> None:
    seen: list[bytes] = []
    swallowed = {method: serve(kept(seen, answer(b"", end="close"))).port for method in METHODS}
    hostile = {
        "reset": (answer(b"", end="reset"), "DisconnectedError"),
        "cut off": (answer(WON[:-1], end="close"), "BadAnswerError"),
        "garbage": (answer(b"SSH-2.0-OpenSSH_9.2\r\n"), "BadAnswerError"),
        "no gzip": (answer(WON.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")), "BadAnswerError"),
        "silence": (lambda _: time.sleep(3), "DeadlineError"),
    }
    cases: list[Any] = [[at(port), 5, None, [[method, "/"]]] for method, port in swallowed.items()]
    cases += [[at(serve(talk, answer(WON)).port), 0.5, None, [["POST", "/"]] * 2] for talk, _ in hostile.values()]
    cases += [[at(free_port()), 5, None, [["POST", "/"]]]]
    cases += [[at(serve(answer(AWAY)).port), 5, None, [["GET", "/"], ["POST", "/"]]]]
    cases += [[at(serve(answer(SOLD_OUT)).port), 5, None, [["POST", "/"]] * 2]]
    *results, refused, away, sold_out = in_its_own_process(cases)
    # Each method was sent once, though geventhttpclient would send all but POST again.
    assert results[: len(METHODS)] == [[["DisconnectedError", True]]] * len(METHODS)
    assert sorted(request.split()[0].decode() for request in seen) == sorted(METHODS)
    # The exchange after a failure is sound.
    assert results[len(METHODS) :] == [[[error, True], [202, "won"]] for _, error in hostile.values()]
    assert refused == [["NotSentError", False]]
    assert away == [["BadAnswerError", True], [302, ""]]
    assert sold_out == [[410, "sold out"]] * 2


def at(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def test_on_nginx(nginx: Nginx) -> None:
    asked = [["GET", path] for path in ("/which", "/gzip", "/chunked", "/cookie", "/seat", "/moved-on", "/few")]
    by_number = nginx.https.replace("localhost", "127.0.0.1")
    cases: list[Any] = [[nginx.http, 5, None, asked], [nginx.http6, 5, None, asked[:1]]]
    cases += [[nginx.https, 5, ca, [["GET", "/sni"]]] for ca in (str(nginx.cert), None)]
    cases += [[by_number, 5, str(nginx.cert), [["GET", "/sni"]]]]
    plain, six, verified, unverified, wrong_name = in_its_own_process(cases)
    assert [status for status, _ in plain] == [200] * len(asked)
    assert [body for _, body in plain[1:5]] == ["queue " * 1000, "Q " * 1000, "set", "seat=42"]
    assert six[0][0] == 200
    assert verified[0][1].startswith("localhost TLSv1.")
    assert unverified == wrong_name == [["NotSentError", False]]


def test_no_client_goes_through_a_proxy(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, at(free_port()))
    server = serve(answer(WON))
    assert in_its_own_process([[at(server.port), 5, None, [["POST", "/"]]]]) == [[[202, "won"]]]
    connection = serve.connection(answer(WON))
    assert connection.exchange(connection.request("POST", "/", {}, b"")).status == 202
