"""Connects to an endpoint: by every address that its name has, and with TLS where it asks for that."""

import _socket
import contextlib
from typing import Any

from gevent import socket

from loadtest.load.http.endpoint import Endpoint


def dialled(where: Endpoint, timeout_s: float) -> Any:
    """A connected socket: gevent's for TLS, else a plain one that does not block.

    Each address but the last may use its share of `timeout_s`; for the rest the caller keeps the time.

    Raises:
        OSError: what the last address said, or the handshake.
    """
    sock = _first_connected(where, timeout_s)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if where.tls:
            return where.tls.wrap_socket(sock, server_hostname=where.host)
    except BaseException:
        sock.close()
        raise
    plain = _socket.socket(fileno=sock.detach())
    plain.setblocking(False)
    return plain


def _first_connected(where: Endpoint, timeout_s: float) -> Any:
    *others, last = socket.getaddrinfo(where.host, where.port, type=socket.SOCK_STREAM)
    for address in others:
        with contextlib.suppress(OSError):
            return _connected(address, timeout_s / (len(others) + 1))
    return _connected(last, None)


def _connected(address: Any, timeout_s: float | None) -> Any:
    """A socket connected to one of getaddrinfo's addresses."""
    family, kind, protocol, _, where = address
    sock = socket.socket(family, kind, protocol)
    try:
        sock.settimeout(timeout_s)
        sock.connect(where)
        sock.settimeout(None)
    except BaseException:
        sock.close()
        raise
    return sock
