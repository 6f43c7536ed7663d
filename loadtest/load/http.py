"""A lean HTTP/1.1 client: one keep-alive connection a buyer, httptools on sockets that wait in gevent's hub.

It follows no redirect and never retries: what was asked once is sent at most once, and an error says whether the request
may have left. One deadline covers a whole exchange, so that a server that drips its answer holds nobody past it.
"""

import _socket
import re
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import gevent
import httptools
from gevent import socket, ssl

from loadtest.errors import UsageError

MAX_HEAD_BYTES = 65_536
MAX_ANSWER_BYTES = 1_048_576
RECV_BYTES = 16_384
# A connection idle for longer is looked at before it is used: servers close idle connections after a few seconds.
IDLE_S = 1.0
FRAMED = re.compile(rb"\r\n(?:content-length|transfer-encoding)[ \t]*:", re.IGNORECASE)


class HttpError(Exception):
    """No answer. `may_have_left` says whether the shop can have seen the request."""

    may_have_left = True


class NotSentError(HttpError):
    """No byte of the request left: no address, refused, unreachable, no TLS, or the time ran out while connecting."""

    may_have_left = False


class DeadlineError(HttpError):
    """The whole answer was not there at the deadline."""


class DisconnectedError(HttpError):
    """The server closed or reset the connection before its answer was complete."""


class BadAnswerError(HttpError):
    """What came is not HTTP/1.1, or is larger than the limits."""


class Response(NamedTuple):
    """A whole answer."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a shop listens. `tls` is None for http; `prefix` is a path that every request starts with."""

    host: str
    port: int
    tls: Any
    prefix: str
    authority: str

    def request(self, method: str, path: str, headers: dict[str, str], body: bytes | None = None) -> bytes:
        """The bytes of one request, made before they are needed.

        Raises:
            UsageError: a line break in the path or in a header.
        """
        lines = [f"{method} {self.prefix}{path} HTTP/1.1", f"Host: {self.authority}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        if any("\r" in line or "\n" in line for line in lines):
            raise UsageError(
                f"request {method} {path!r}: a line break in the path or in a header; take it out"
            )
        return "\r\n".join([*lines, "", ""]).encode() + (body or b"")


def endpoint(base_url: str, ca: Path | None = None, insecure: bool = False) -> Endpoint:
    """The endpoint of `base_url`, such as ``https://[::1]:8443``; certificates are verified, against `ca` if given.

    Raises:
        UsageError: not an http or https address, or an unreadable `ca`.
    """
    try:
        url = urlsplit(base_url)
        host, port = url.hostname, url.port or {"http": 80, "https": 443}[url.scheme]
    except (ValueError, KeyError):
        host, port = None, 0
    if not host or url.query or url.fragment or url.username:
        raise UsageError(f"--host {base_url!r}: expected an address such as http://127.0.0.1:8000")
    tls = _tls(ca, insecure) if url.scheme == "https" else None
    return Endpoint(host, port, tls, url.path.rstrip("/"), url.netloc)


def _tls(ca: Path | None, insecure: bool) -> Any:
    try:
        context = ssl.create_default_context(cafile=str(ca) if ca else None)
    except OSError as error:
        raise UsageError(f"--shop-ca {ca}: expected a PEM file of certificates: {error}") from None
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


class Connection:
    """One connection, opened when it is needed; one exchange at a time.

    *Warning:* an answer that the server sends unasked is noticed when it comes with another answer or on an idle
    connection, not when it slips in between two exchanges.
    """

    def __init__(self, where: Endpoint, timeout_s: float) -> None:
        self.where = where
        self.timeout_s = timeout_s
        self._hub = gevent.get_hub()
        self._sock: Any = None
        self._readable: Any = None
        self._alarm: Any = None
        self._busy = self._expired = False
        self._deadline = self._used = 0.0

    def exchange(self, request: bytes) -> Response:
        """Sends `request` and returns the whole answer, within the time-out.

        Raises:
            NotSentError: nothing left. DeadlineError, DisconnectedError, BadAnswerError: the shop may have seen it. The connection is closed
                after each; the next exchange opens another.
        """
        now = monotonic()
        self._deadline = now + self.timeout_s
        if self._sock is None or (now - self._used > IDLE_S and self._stale()):
            self.open()
        if self._alarm is None:
            self._set_alarm(self.timeout_s)
        self._status = self._received = 0
        self._busy = True
        self._head_done = self._expired = False
        self._body = self._head = b""
        try:
            self._send(request)
            feed, receive = self._parser.feed_data, self._receive
            while True:
                data = receive()
                if not data:
                    self._ended()
                    break
                feed(data)
                if self._status:
                    break
                self._check_size(data)
        except BaseException as error:
            self.close()
            raise self._translated(error) from None
        self._busy = False
        self._used = now
        if not self._keep:
            self.close()
        return Response(self._status, self._body)

    def open(self) -> None:
        """Connects, and shakes hands for TLS, within the time-out. An open connection is replaced.

        Raises:
            NotSentError: it could not be opened.
        """
        self.close()
        where = self.where
        try:
            with gevent.Timeout(self.timeout_s, NotSentError(f"connect: no connection in {self.timeout_s:g} s")):
                sock = socket.create_connection((where.host, where.port))
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if where.tls:
                    sock = where.tls.wrap_socket(sock, server_hostname=where.host)
        except OSError as error:
            raise NotSentError(f"connect: {_reason(error)}") from None
        self._sock = sock if where.tls else _socket.socket(fileno=sock.detach())
        if not where.tls:
            self._sock.setblocking(False)
            self._readable = self._hub.loop.io(self._sock.fileno(), 1)
        self._parser = httptools.HttpResponseParser(self)
        self._used = monotonic()

    def close(self) -> None:
        """Closes the connection; it may be opened again."""
        self._busy = False
        for watcher in (self._readable, self._alarm):
            if watcher is not None:
                watcher.stop()
                watcher.close()
        self._readable = self._alarm = None
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    # What the parser calls.

    def on_message_begin(self) -> None:
        if self._status or not self._busy:
            raise BadAnswerError("more than one answer to one request")

    def on_headers_complete(self) -> None:
        self._head_done = True

    def on_body(self, data: bytes) -> None:
        self._body = self._body + data if self._body else data

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= 200:  # 1xx only announces the answer
            self._status = status
            self._keep = self._parser.should_keep_alive()

    # Bytes in and out.

    def _send(self, request: bytes) -> None:
        if self.where.tls:
            self._sock.sendall(request)
            return
        sent = 0
        while sent < len(request):
            try:
                sent += self._sock.send(request[sent:] if sent else request)
            except BlockingIOError:
                self._wait_writable()
            except OSError as error:
                if sent == 0 and not self._expired:
                    raise NotSentError(f"send: {_reason(error)}") from None
                raise

    def _receive(self) -> bytes:
        if self._readable is None:
            return self._sock.recv(RECV_BYTES)  # type: ignore[no-any-return]
        # Waiting first saves the system call that would only say "not yet".
        while True:
            self._hub.wait(self._readable)
            try:
                return self._sock.recv(RECV_BYTES)  # type: ignore[no-any-return]
            except BlockingIOError:
                continue

    def _wait_writable(self) -> None:
        watcher = self._hub.loop.io(self._sock.fileno(), 2)
        try:
            self._hub.wait(watcher)
        finally:
            watcher.close()

    def _stale(self) -> bool:
        """Whether an idle connection was closed by the server, or holds bytes that nobody asked for."""
        try:
            if self.where.tls:
                self._sock.settimeout(0)
                self._sock.recv(1)
            else:
                self._sock.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, ssl.SSLWantReadError, TimeoutError):
            return False
        except OSError:
            return True
        finally:
            if self.where.tls:
                self._sock.settimeout(None)
        return True

    # The deadline: one timer a connection that, when it rings early, is set for what is left.

    def _set_alarm(self, seconds: float) -> None:
        self._alarm = self._hub.loop.timer(seconds)
        self._alarm.start(self._ring)

    def _ring(self) -> None:
        self._alarm.close()
        self._alarm = None
        left = self._deadline - monotonic()
        if not self._busy:
            return
        if left > 0.0005:
            self._set_alarm(left)
            return
        self._expired = True
        try:
            # Wakes whoever waits for this socket, TLS or not.
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    # Ends other than a whole answer.

    def _ended(self) -> None:
        """The server closed. That ends an answer without a length; it breaks any other off."""
        if self._expired or not self._head_done or FRAMED.search(self._head):
            raise DisconnectedError("closed before the answer was complete")
        self._status, self._keep = self._parser.get_status_code(), False

    def _check_size(self, data: bytes) -> None:
        self._received += len(data)
        if len(self._head) < MAX_HEAD_BYTES:
            self._head += data
        if not self._head_done and self._received > MAX_HEAD_BYTES:
            raise BadAnswerError(f"headers over {MAX_HEAD_BYTES} bytes")
        if self._received > MAX_ANSWER_BYTES:
            raise BadAnswerError(f"answer over {MAX_ANSWER_BYTES} bytes")

    def _translated(self, error: BaseException) -> BaseException:
        if self._expired:
            return DeadlineError(f"no answer in {self.timeout_s:g} s")
        if isinstance(error, httptools.HttpParserUpgrade):
            return BadAnswerError("not HTTP: an upgrade that nobody asked for")
        if isinstance(error, httptools.HttpParserError):
            inner = error.__context__
            return inner if isinstance(inner, BadAnswerError) else BadAnswerError(f"not HTTP: {error}")
        if isinstance(error, OSError):
            return DisconnectedError(_reason(error))
        return error


def _reason(error: OSError) -> str:
    """The error in one line without addresses or numbers, so that equal errors read equal."""
    return (error.strerror or str(error) or type(error).__name__).lower()
