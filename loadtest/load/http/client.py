"""A minimal HTTP/1.1 client: one keep-alive connection, parsed by httptools, on sockets that wait in gevent's hub.

It follows no redirect and never retries: a request is sent at most once, and an error says whether the shop may have
seen it. Only a connection that is found closed before a byte was sent is opened anew. One deadline covers a whole
exchange, so that a server that sends its answer byte by byte cannot hold a buyer. What a browser adds is in session.py.
"""

import contextlib
import select
from collections.abc import Mapping
from time import monotonic
from typing import Any

import gevent
import httptools
from gevent import monkey, socket, ssl

from loadtest.load.http.answers import (
    FRAMED,
    MAX_ANSWER_BYTES,
    MAX_HEAD_BYTES,
    BadAnswerError,
    DeadlineError,
    DisconnectedError,
    HeadOnly,
    HttpError,
    NotSentError,
    Response,
    head_of,
    is_whole,
)
from loadtest.load.http.dial import dialled
from loadtest.load.http.endpoint import Endpoint

RECV_BYTES = 16_384
NOT_CONNECTED = contextlib.suppress(OSError)
# The unpatched poll, not gevent's: it is called with a time-out of 0 and never blocks.
POLL = monkey.get_original("select", "poll")
HEAD = ord("H")
__all__ = [
    "MAX_ANSWER_BYTES", "MAX_HEAD_BYTES", "BadAnswerError", "Connection", "DeadlineError", "DisconnectedError", "HttpError",
    "NotSentError", "Response",
]  # fmt: skip


class Connection:
    """One connection, opened when it is needed; one exchange at a time.

    *Warning:* bytes that the server sends unasked are detected if they come together with an answer, or are there before
    the next request is sent. What arrives later is taken for the answer: HTTP/1.1 cannot tell them apart.
    """

    def __init__(self, where: Endpoint, timeout_s: float, source: str | None = None) -> None:
        self.where = where
        self.timeout_s = timeout_s
        self._source = source
        self._hub = gevent.get_hub()
        self._sock: Any = None
        self._readable: Any = None
        self._waiting: Any = None
        self._alarm: Any = None
        self._busy = self._expired = self._bodyless = False
        self._deadline = 0.0
        self._more = bytearray()

    def request(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None) -> bytes:
        """The bytes that `exchange` sends, built ahead of time.

        Raises:
            UsageError: a space or a control character in the path, a line break in a header.
        """
        return self.where.request(method, path, headers, body)

    def exchange(self, request: bytes) -> Response:
        """Sends `request` and returns the whole answer, within the time-out.

        Raises:
            NotSentError: no byte was sent.
            DeadlineError, DisconnectedError, BadAnswerError: the shop may have seen the request.

        After an error the connection is closed; the next exchange opens another.
        """
        if request[0] == HEAD and not self._bodyless:
            return self._exchange_head(request)
        self._deadline = monotonic() + self.timeout_s
        if self._sock is None or (self._poll(0) and self._stale()):
            self.connect()
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
        if self._more:
            self._body += self._more
            self._more.clear()
        if self._expired or not self._keep:
            self.close()
        return tuple.__new__(Response, (self._status, self._body, ()))  # Response(…) would cost a Python call

    def cookies(self) -> Mapping[str, str]:
        """The cookies that are kept: none are."""
        return {}

    def connect(self) -> None:
        """Connects, with TLS handshake if the endpoint has TLS, within the time-out. An open connection is replaced.

        Raises:
            NotSentError: it could not be opened.
        """
        self.close()
        late = NotSentError(f"connect: no connection in {self.timeout_s:g} s")
        try:
            with gevent.Timeout(self.timeout_s, late):
                self._sock = dialled(self.where, self.timeout_s, self._source)
        except OSError as error:
            raise NotSentError(f"connect: {_reason(error)}") from None
        if not self.where.tls:
            self._readable = self._hub.loop.io(self._sock.fileno(), 1)
            self._readable.start(self._wake)
        poller = POLL()
        poller.register(self._sock.fileno(), select.POLLIN)
        self._poll = poller.poll
        self._parser = self._new_parser()
        self._expired = False

    def close(self) -> None:
        """Closes the connection; it may be opened again."""
        self._busy = False
        self._more.clear()
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
        if self._body:
            self._more += data
        else:
            self._body = data

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= 200:  # 1xx only announces the answer
            self._status = status
            self._keep = self._parser.should_keep_alive()

    def on_head(self, closes: bool) -> None:
        """Completes an answer to HEAD; `closes`: it has ``Connection: close``.

        The parser's should_keep_alive() would be wrong: it expects a length, which an answer to HEAD may lack.
        """
        status = self._parser.get_status_code()
        if status >= 200:
            self._status = status
            self._keep = not closes and self._parser.get_http_version() == "1.1"

    def _new_parser(self) -> Any:
        return httptools.HttpResponseParser(HeadOnly(self) if self._bodyless else self)

    def _exchange_head(self, request: bytes) -> Response:
        """An exchange whose answer ends with its head, whatever its Content-Length: read by a parser of its own."""
        self._bodyless = True
        try:
            if self._sock is not None:
                self._parser = self._new_parser()
            return self.exchange(request)
        finally:
            self._bodyless = False
            if self._sock is not None:
                self._parser = self._new_parser()

    # Sending and receiving. TLS uses gevent's socket; a plain non-blocking one is used directly, which saves a third of the time.

    def _send(self, request: bytes) -> None:
        if self._readable is None:
            self._sock.sendall(request)
            return
        try:
            sent = self._sock.send(request)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            raise NotSentError(f"connect: {_reason(error)}, before anything was sent") from None
        if sent < len(request):
            self._send_rest(request, sent)

    def _send_rest(self, request: bytes, sent: int) -> None:
        while sent < len(request):
            self._wait_writable()
            with contextlib.suppress(BlockingIOError):
                sent += self._sock.send(request[sent:])

    def _receive(self) -> bytes:
        if self._readable is None:
            return self._sock.recv(RECV_BYTES)  # type: ignore[no-any-return]
        while True:
            # Waiting before the first recv saves a call that would return EAGAIN; leaving the watcher on between two waits
            # saves two more. A wait that ends early does no harm: recv is tried again.
            self._waiting = gevent.getcurrent()
            try:
                self._hub.switch()
            finally:
                self._waiting = None
            try:
                return self._sock.recv(RECV_BYTES)  # type: ignore[no-any-return]
            except BlockingIOError:
                continue

    def _wake(self) -> None:
        """The socket is readable: resumes the waiting buyer; if none waits, has the connection checked before its next use."""
        if self._waiting is not None:
            self._waiting.switch()
        else:
            self._readable.stop()
            self._poll = _always

    def _receive_rest(self, data: bytes) -> None:
        """Receives the rest of an answer that begins with `data`; empty `data` means that the server closed the connection."""
        head, received = b"", 0
        while not self._status:
            if not data:
                self._end(head)
                return
            received += len(data)
            if received > MAX_ANSWER_BYTES:
                raise BadAnswerError(f"answer over {MAX_ANSWER_BYTES} bytes")
            if not is_whole(head):
                head = head_of(head + data)
                if len(head) > MAX_HEAD_BYTES:
                    raise BadAnswerError(f"headers over {MAX_HEAD_BYTES} bytes")
            data = self._receive()
            if data:
                self._parser.feed_data(data)

    def _end(self, head: bytes) -> None:
        """The server closed the connection: that completes an answer without a length, and breaks any other off.

        Raises:
            DisconnectedError: the answer is incomplete.
        """
        if self._expired or not is_whole(head) or FRAMED.search(head):
            raise DisconnectedError("closed before the answer was complete")
        self._status, self._keep = self._parser.get_status_code(), False

    def _wait_writable(self) -> None:
        self._readable.stop()  # an early answer stays in the socket's buffer
        watcher = self._hub.loop.io(self._sock.fileno(), 2)
        try:
            self._hub.wait(watcher)
        finally:
            watcher.close()
        self._readable.start(self._wake)

    def _stale(self) -> bool:
        """Whether a connection that is readable between exchanges is unusable: closed, or with bytes that nobody asked for.

        With TLS it may also hold a protocol message, such as a session ticket, which does no harm.
        """
        if not self.where.tls:
            return True
        try:
            self._sock.settimeout(0)
            self._sock.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError, TimeoutError):
            return False
        except OSError:
            return True
        finally:
            self._sock.settimeout(None)
        return True

    # The deadline: one timer per connection, not per exchange. When it fires before the deadline, it is set again for the rest.

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
        # Wakes the waiting buyer. On the plain socket under gevent's, whose own shutdown() would drop the TLS session.
        with NOT_CONNECTED:
            getattr(self._sock, "_sock", self._sock).shutdown(socket.SHUT_RDWR)

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


def _always(_timeout_ms: int) -> bool:
    """Stands in for `poll` once the watcher has seen that the socket is readable."""
    return True


def _reason(error: OSError) -> str:
    """`error` as one line without addresses, so that equal errors have equal texts."""
    return (error.strerror or str(error) or type(error).__name__).lower()
