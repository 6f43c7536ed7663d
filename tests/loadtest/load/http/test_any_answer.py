"""Whatever bytes come, in whatever pieces: an answer or a clean error, and a well-formed answer reads the same however it is cut."""

import gzip
import zlib
from collections.abc import Iterator
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from loadtest.load.http.client import MAX_ANSWER_BYTES, RECV_BYTES, BadAnswerError, Connection, HttpError, Response
from loadtest.load.http.cookies import MAX_COOKIES, Jar
from loadtest.load.http.endpoint import endpoint
from loadtest.load.http.session import HeadedConnection, Session

WHERE = endpoint("http://shop")
# The machine is shared: an example may take its time, but not for ever.
fuzz = settings(max_examples=250, deadline=5000)


class Fed:
    """A connection that receives pieces instead of opening a socket; the parser and all limits are the real ones."""

    def feed(self, pieces: list[bytes]) -> Any:
        self.pieces = iter(pieces)
        return self

    def connect(self) -> None:
        self.close()  # type: ignore[attr-defined]
        self._parser = self._new_parser()  # type: ignore[attr-defined]
        self._sock = self
        self._poll = lambda _: False

    def detach(self) -> None:
        self._sock = None

    def _send(self, request: bytes) -> None:
        """Nobody reads it."""

    def _receive(self) -> bytes:
        return next(self.pieces, b"")


class FedConnection(Fed, Connection):
    def close(self) -> None:
        self._sock = None
        super().close()


class FedHeaded(Fed, HeadedConnection):
    def close(self) -> None:
        self._sock = None
        super().close()


def cut(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """`data` in pieces."""
    places = sorted(draw(st.lists(st.integers(0, len(data)), max_size=12)))
    pieces = [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]
    return [piece[at : at + RECV_BYTES] for piece in pieces for at in range(0, len(piece), RECV_BYTES)]


TOKENS = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_", min_size=1, max_size=12)
VALUES = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30)
FRAMING = ("content-length", "transfer-encoding", "connection", "upgrade", "content-encoding", "location", "set-cookie")
HEADERS = st.lists(st.tuples(TOKENS.filter(lambda name: name.lower() not in FRAMING), VALUES), max_size=6)


def head(draw: st.DrawFn, status: int, framing: str = "") -> bytes:
    lines = [f"{name}: {value}" for name, value in draw(HEADERS)]
    lines.insert(draw(st.integers(0, len(lines))), framing)
    return "\r\n".join([f"HTTP/1.1 {status} {draw(TOKENS)}", *filter(None, lines), "", ""]).encode()


def in_chunks(draw: st.DrawFn, body: bytes) -> bytes:
    sizes = st.integers(1, max(1, len(body)))
    written, at = b"", 0
    while at < len(body):
        part = body[at : at + draw(sizes)]
        at += len(part)
        extension = draw(st.sampled_from([b"", b";a=b", b";q"]))
        written += f"{len(part):x}".encode() + extension + b"\r\n" + part + b"\r\n"
    trailer = draw(st.sampled_from([b"", b"Checked: yes\r\n"]))
    return written + b"0\r\n" + trailer + b"\r\n"


@st.composite
def answers(draw: st.DrawFn) -> tuple[bytes, Response]:
    """A well-formed answer as it is sent, and as it must be read."""
    interim = b"".join(head(draw, status) for status in draw(st.lists(st.sampled_from([100, 102, 103]), max_size=2)))
    status = draw(st.sampled_from([200, 202, 204, 302, 304, 409, 410, 429, 500, 503]))
    if status in (204, 304):
        return interim + head(draw, status), Response(status, b"")
    body = draw(st.binary(max_size=200))
    form = draw(st.sampled_from(["length", "chunks", "close"]))
    if form == "length":
        data = head(draw, status, f"Content-Length: {len(body)}") + body
    elif form == "chunks":
        data = head(draw, status, "Transfer-Encoding: chunked") + in_chunks(draw, body)
    else:
        data = head(draw, status) + body
    return interim + data, Response(status, body)


@st.composite
def cut_answers(draw: st.DrawFn) -> tuple[list[bytes], Response]:
    data, expected = draw(answers())
    return cut(draw, data), expected


@st.composite
def spoilt_answers(draw: st.DrawFn) -> list[bytes]:
    """A well-formed answer with some bytes changed, left out, or put in."""
    data = bytearray(draw(answers())[0])
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 3))] = draw(
            st.binary(max_size=3) | st.sampled_from([b"\r\n", b"\n", b"\0", b":"])
        )
    return cut(draw, bytes(data))


def is_sound(line: Any) -> None:
    """Takes one exchange; the only exception is an HttpError, and nothing past the limits is kept."""
    try:
        response = line.exchange(b"GET / HTTP/1.1\r\n\r\n")
    except HttpError as error:
        assert error.may_have_left  # noqa: PT017 -- an answer is as good
    else:
        assert 200 <= response.status <= 999
        assert len(response.body) <= MAX_ANSWER_BYTES
    finally:
        line.close()


@fuzz
@given(cut_answers())
def test_a_well_formed_answer_reads_the_same_however_it_is_cut(given_: tuple[list[bytes], Response]) -> None:
    pieces, expected = given_
    assert FedConnection(WHERE, 5).feed(pieces).exchange(b"GET /") == expected
    assert FedHeaded(WHERE, 5).feed(pieces).exchange(b"GET /")[:2] == expected[:2]


@fuzz
@given(st.lists(st.binary(max_size=300), max_size=8))
@example([b"\r\n\r\n"])
@example([b"HTTP/1.1 100 C\r\n\r\nHTTP/1.1 202 "])
def test_any_bytes_are_an_answer_or_a_clean_error(pieces: list[bytes]) -> None:
    for kind in (FedConnection, FedHeaded):
        is_sound(kind(WHERE, 5).feed(pieces))


@fuzz
@given(spoilt_answers())
def test_a_spoilt_answer_is_an_answer_or_a_clean_error(pieces: list[bytes]) -> None:
    for kind in (FedConnection, FedHeaded):
        is_sound(kind(WHERE, 5).feed(pieces))
    is_sound(Session(FedHeaded(WHERE, 5).feed(pieces), Jar("shop", False), True, True))


def forever(part: bytes) -> Iterator[bytes]:
    while True:
        yield part


@settings(max_examples=15, deadline=5000)
@given(
    st.sampled_from([b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 C\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b""]),
    st.binary(min_size=1, max_size=50),
)
def test_a_stream_without_an_end_ends_at_the_limits(start: bytes, part: bytes) -> None:
    line = FedConnection(WHERE, 5)
    line.pieces = iter([start, *([(part * RECV_BYTES)[:RECV_BYTES]] * (MAX_ANSWER_BYTES // RECV_BYTES + 2))])
    is_sound(line)


@fuzz
@given(
    st.binary(max_size=2000),
    st.sampled_from([b"gzip", b"deflate", b"raw", b"br"]),
    st.integers(0, 300),
    st.binary(max_size=3),
)
def test_a_compressed_body_unpacks_or_is_a_clean_error(body: bytes, form: bytes, at: int, spoilt: bytes) -> None:
    packed = {b"gzip": gzip.compress, b"deflate": zlib.compress, b"raw": raw, b"br": bytes}[form](body)
    encoding = form.replace(b"raw", b"deflate")
    assert form == b"br" or unpacked(packed, encoding) == body
    try:
        unpacked(packed[:at] + spoilt + packed[at + len(spoilt) :], encoding)
    except BadAnswerError as error:
        assert "compressed" in str(error) or "content-encoding" in str(error)  # noqa: PT017 -- what unpacks is as good


def raw(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


def unpacked(packed: bytes, encoding: bytes) -> bytes:
    data = b"HTTP/1.1 200 OK\r\nContent-Encoding: %b\r\nContent-Length: %d\r\n\r\n%b" % (encoding, len(packed), packed)
    return Session(FedHeaded(WHERE, 5).feed([data]), None, False, True).exchange(b"GET /").body


@fuzz
@given(
    st.lists(st.binary(max_size=60) | st.sampled_from([b"a=b; Max-Age=1e9", b"a=b; Expires=x", b"=; Path"]), max_size=6)
)
def test_any_cookie_is_kept_or_left_out(headers: list[bytes]) -> None:
    jar = Jar("shop", False)
    for header in headers:
        jar.take(header, b"/orders?x=1")
    sent = jar.header(b"/orders/1")
    assert sent.count(b"; ") < MAX_COOKIES
