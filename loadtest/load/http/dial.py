"""Connects to an endpoint: tries each address of its name in turn, and adds TLS where it has that."""

import _socket
import contextlib
from typing import Any

from gevent import socket

from loadtest.load.http.endpoint import Endpoint


def dialled(where: Endpoint, timeout_s: float) -> Any:
    """A connected socket: gevent's for TLS, else a non-blocking one of the standard library.

    Each address but the last may use an equal share of `timeout_s`; the caller must limit the whole.

    Raises:
        OSError: the last address failed, or the TLS handshake did.
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
    """A gevent socket connected to `address`, a tuple of getaddrinfo's."""
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
