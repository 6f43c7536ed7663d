"""Connects to an endpoint: tries each address of its name in turn, and adds TLS where it has that."""

import _socket
import contextlib
from typing import Any

from gevent import socket

from loadtest.load.http.endpoint import Endpoint

# Linux's IP_BIND_ADDRESS_NO_PORT: the port is chosen when the address of the other side is known, so that no port is used up.
BIND_ADDRESS_NO_PORT = 24


def dialled(where: Endpoint, timeout_s: float, source: str | None = None) -> Any:
    """A connected socket, from the address `source` if given: gevent's for TLS, else a non-blocking one of the standard library.

    Each address but the last may use an equal share of `timeout_s`; the caller must limit the whole.

    Raises:
        OSError: the last address failed, or the TLS handshake did.
    """
    sock = _first_connected(where, timeout_s, source)
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


def _first_connected(where: Endpoint, timeout_s: float, source: str | None) -> Any:
    family = 0 if source is None else socket.AF_INET6 if ":" in source else socket.AF_INET
    *others, last = socket.getaddrinfo(where.host, where.port, family, socket.SOCK_STREAM)
    for address in others:
        with contextlib.suppress(OSError):
            return _connected(address, timeout_s / (len(others) + 1), source)
    return _connected(last, None, source)


def _connected(address: Any, timeout_s: float | None, source: str | None) -> Any:
    """A gevent socket connected to `address`, a tuple of getaddrinfo's."""
    family, kind, protocol, _, where = address
    sock = socket.socket(family, kind, protocol)
    try:
        if source is not None:
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.IPPROTO_IP, BIND_ADDRESS_NO_PORT, 1)
            sock.bind((source, 0))
        sock.settimeout(timeout_s)
        sock.connect(where)
        sock.settimeout(None)
    except BaseException:
        sock.close()
        raise
    return sock
