"""Servers of few lines, on real sockets in threads, for the client's tests."""

import contextlib
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from loadtest.load.http.client import Connection
from loadtest.load.http.cookies import Jar
from loadtest.load.http.endpoint import endpoint
from loadtest.load.http.session import HeadedConnection, Session
from loadtest.stack.embedded import free_port
from tests.needs import listens, need_ipv6, need_program

Talk = Callable[[socket.socket], None]


class Server:
    """Accepts connections one after the other; each is talked to by the next talk, the last one by all further."""

    def __init__(self, talks: tuple[Talk, ...], family: int) -> None:
        self._talks = talks
        self.accepted = 0
        self._listener = socket.socket(family, socket.SOCK_STREAM)
        self._listener.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        self._listener.listen(16)
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                peer, _ = self._listener.accept()
                talk = self._talks[min(self.accepted, len(self._talks) - 1)]
                self.accepted += 1
                threading.Thread(target=self._talk, args=(talk, peer), daemon=True).start()

    @staticmethod
    def _talk(talk: Talk, peer: socket.socket) -> None:
        with contextlib.suppress(OSError), peer:
            talk(peer)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


class Serve:
    """Starts servers, and connects to them."""

    def __init__(self) -> None:
        self.servers: list[Server] = []

    def __call__(self, *talks: Talk, family: int = socket.AF_INET) -> Server:
        server = Server(talks, family)
        self.servers.append(server)
        return server

    def connection(self, *talks: Talk, timeout_s: float = 5) -> Connection:
        """A connection to a new server of `talks`."""
        return Connection(endpoint(f"http://127.0.0.1:{self(*talks).port}"), timeout_s)

    def session(self, *talks: Talk, timeout_s: float = 5) -> Session:
        """The same with all that a browser does."""
        return session(f"http://127.0.0.1:{self(*talks).port}", timeout_s)


def session(url: str, timeout_s: float = 5, ca: Path | None = None) -> Session:
    """A session with cookies, redirects and compressed bodies."""
    where = endpoint(url, ca)
    jar = Jar(where.host, where.tls is not None)
    return Session(HeadedConnection(where, timeout_s), jar, follows=True, compressed=True)


@pytest.fixture
def serve() -> Iterator[Serve]:
    started = Serve()
    yield started
    for server in started.servers:
        server.close()


def answer(*parts: bytes, end: str = "keep") -> Talk:
    """Reads a request, sends `parts`, and then keeps the connection, closes it or resets it."""

    def talk(peer: socket.socket) -> None:
        while peer.recv(65_536):
            for part in parts:
                peer.sendall(part)
            if end == "reset":
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if end != "keep":
                return

    return talk


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-made certificate of localhost, and its key."""
    directory = tmp_path_factory.mktemp("tls")
    cert, key = directory / "cert.pem", directory / "key.pem"
    command = [
        need_program("openssl", package="openssl"),
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
    ]
    command += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(command, check=True, capture_output=True)
    return cert, key


@dataclass(frozen=True)
class Nginx:
    """A running nginx: its addresses, and the certificate that its TLS address shows."""

    http: str
    http6: str
    https: str
    cert: Path


@pytest.fixture(scope="session")
def nginx_program() -> str:
    """Where nginx is. It listens on [::1] too."""
    need_ipv6()
    return need_program("nginx", package="nginx")


@pytest.fixture(scope="session")
def nginx(
    tmp_path_factory: pytest.TempPathFactory, nginx_program: str, certificate: tuple[Path, Path]
) -> Iterator[Nginx]:
    """An nginx of our own, as a plain process."""
    home, port, tls_port = tmp_path_factory.mktemp("nginx"), free_port(), free_port()
    settings = (Path(__file__).parent / "nginx.conf").read_text(encoding="utf-8")
    for name, value in {"PORT": port, "TLS": tls_port, "CERT": certificate[0], "KEY": certificate[1]}.items():
        settings = settings.replace(f"@{name}@", str(value))
    (home / "nginx.conf").write_text(settings, encoding="utf-8")
    (home / "page.txt").write_text("queue " * 1000, encoding="utf-8")
    with (home / "out.log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen([nginx_program, "-p", str(home), "-c", "nginx.conf"], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 10
        while not listens(port):
            assert process.poll() is None, (home / "out.log").read_text(encoding="utf-8")
            assert time.monotonic() < deadline, "nginx does not listen after 10 s"
            time.sleep(0.02)
        at = f"127.0.0.1:{port}", f"[::1]:{port}", f"localhost:{tls_port}"
        yield Nginx(f"http://{at[0]}", f"http://{at[1]}", f"https://{at[2]}", certificate[0])
    finally:
        process.terminate()
        process.wait(10)
