"""Servers of few lines, on real sockets in threads, for the client's tests."""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator

import pytest

from loadtest.load.endpoint import endpoint
from loadtest.load.http import Connection

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
