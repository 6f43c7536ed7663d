"""A lean HTTP/1.1 client: one keep-alive connection a buyer, httptools on sockets that wait in gevent's hub.

It follows no redirect and never retries: what was asked once is sent at most once, and an error says whether the
request may have left. One deadline covers a whole exchange, so that a server that drips its answer holds nobody.
"""

import _socket
import contextlib
import os
import re
from time import monotonic
from typing import Any, NamedTuple

import gevent
import httptools
from gevent import socket, ssl

from loadtest.load.endpoint import Endpoint

MAX_HEAD_BYTES = 65_536
MAX_ANSWER_BYTES = 1_048_576
RECV_BYTES = 16_384
# A connection idle for longer is looked at before it is used: servers close idle ones after a few seconds.
IDLE_S = 1.0
NOT_CONNECTED = contextlib.suppress(OSError)
FRAMED = re.compile(rb"\r\n(?:content-length|transfer-encoding)[ \t]*:", re.IGNORECASE)


class HttpError(Exception):
    """No answer. `may_have_left` says whether the shop can have seen the request."""

    may_have_left = True


class NotSentError(HttpError):
    """No byte of the request left: no address, refused, unreachable, no TLS, or no connection in time."""

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


class Connection:
    """One connection, opened when it is needed; one exchange at a time.

    *Warning:* an answer that the server sends unasked is noticed when it comes together with another answer or on an
    idle connection, not when it slips in between two exchanges.
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
            NotSentError: nothing left.
            DeadlineError, DisconnectedError, BadAnswerError: the shop may have seen it. The connection is closed
                after each of them; the next exchange opens another.
        """
        now = monotonic()
        self._deadline = now + self.timeout_s
        if self._sock is None or (now - self._used > IDLE_S and self._stale()):
            self.open()
        if self._alarm is None:
            self._set_alarm(self._deadline - monotonic())
        self._status = 0
        self._body = b""
        self._busy = True
        try:
            self._send(request)
            data = self._receive()
            if data:
                self._parser.feed_data(data)
            if not self._status:
                self._receive_rest(data)
        except Exception as error:
            self.close()
            raise self._translated(error) from None
        except BaseException:  # the buyer is being stopped
            self.close()
            raise
        self._busy = False
        self._used = now
        if self._expired or not self._keep:
            self.close()
        return Response(self._status, self._body)

    def open(self) -> None:
        """Connects, and shakes hands for TLS, within the time-out. An open connection is replaced.

        Raises:
            NotSentError: it could not be opened.
        """
        self.close()
        late = NotSentError(f"connect: no connection in {self.timeout_s:g} s")
        try:
            with gevent.Timeout(self.timeout_s, late):
                self._sock = self._connected()
        except OSError as error:
            raise NotSentError(f"connect: {_reason(error)}") from None
        if not self.where.tls:
            self._readable = self._hub.loop.io(self._sock.fileno(), 1)
        self._parser = httptools.HttpResponseParser(self)
        self._expired = False
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
        if self._status:
            raise BadAnswerError("more than one answer to one request")

    def on_body(self, data: bytes) -> None:
        self._body = self._body + data if self._body else data

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= 200:  # 1xx only announces the answer
            self._status = status
            self._keep = self._parser.should_keep_alive()

    # Bytes in and out. TLS keeps gevent's socket; a plain one is used as it is, which saves a third of the time.

    def _connected(self) -> Any:
        sock = socket.create_connection((self.where.host, self.where.port))
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.where.tls:
                return self.where.tls.wrap_socket(sock, server_hostname=self.where.host)
        except BaseException:
            sock.close()
            raise
        plain = _socket.socket(fileno=sock.detach())
        plain.setblocking(False)
        return plain

    def _send(self, request: bytes) -> None:
        if self._readable is None:
            self._sock.sendall(request)
            return
        sent, length = 0, len(request)
        while sent < length:
            try:
                sent += self._sock.send(request[sent:] if sent else request)
            except BlockingIOError:
                self._wait_writable()
            except OSError as error:
                if sent or self._expired:
                    raise
                raise NotSentError(f"send: {_reason(error)}") from None

    def _receive(self) -> bytes:
        if self._readable is not None:
            # Waiting first saves the system call that would only say "not yet".
            self._hub.wait(self._readable)
        while True:
            try:
                return self._sock.recv(RECV_BYTES)  # type: ignore[no-any-return]
            except BlockingIOError:
                self._hub.wait(self._readable)

    def _receive_rest(self, data: bytes) -> None:
        """The rest of an answer of which `data` came first; an empty `data` is the end of the connection."""
        head, received = b"", 0
        while not self._status:
            if not data:
                self._end(head)
                return
            received += len(data)
            if len(head) < MAX_HEAD_BYTES:
                head += data
                if len(head) >= MAX_HEAD_BYTES and b"\r\n\r\n" not in head:
                    raise BadAnswerError(f"headers over {MAX_HEAD_BYTES} bytes")
            if received > MAX_ANSWER_BYTES:
                raise BadAnswerError(f"answer over {MAX_ANSWER_BYTES} bytes")
            data = self._receive()
            if data:
                self._parser.feed_data(data)

    def _end(self, head: bytes) -> None:
        """The server closed. That ends an answer without a length; it breaks any other off."""
        if self._expired or b"\r\n\r\n" not in head or FRAMED.search(head):
            raise DisconnectedError("closed before the answer was complete")
        self._status, self._keep = self._parser.get_status_code(), False

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

    # The deadline: one timer a connection. When it rings early, it is set again for what is left.

    def _set_alarm(self, seconds: float) -> None:
        self._alarm = self._hub.loop.timer(max(0.001, seconds))
        self._alarm.start(self._ring)

    def _ring(self) -> None:
        self._alarm.close()
        self._alarm = None
        if not self._busy:
            return
        left = self._deadline - monotonic()
        if left > 0:
            self._set_alarm(left)
            return
        self._expired = True
        # Wakes whoever waits. Through a twin, since a TLS socket forgets its session when it is shut down.
        with contextlib.closing(_socket.socket(fileno=os.dup(self._sock.fileno()))) as twin, NOT_CONNECTED:
            twin.shutdown(socket.SHUT_RDWR)

    def _translated(self, error: Exception) -> Exception:
        if self._expired:
            return DeadlineError(f"no answer in {self.timeout_s:g} s")
        if isinstance(error, httptools.HttpParserUpgrade):
            return BadAnswerError("an upgrade that nobody asked for")
        if isinstance(error, httptools.HttpParserError):
            cause = error.__context__
            return cause if isinstance(cause, BadAnswerError) else BadAnswerError(f"not HTTP: {error}")
        if isinstance(error, OSError):
            return DisconnectedError(_reason(error))
        return error


def _reason(error: OSError) -> str:
    """The error in one line without addresses, so that equal errors read equal."""
    return (error.strerror or str(error) or type(error).__name__).lower()
