"""One write for each answer: counted beneath, and read by real clients of a real uvicorn."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from target.api.wire import OneWrite, Protocol

LARGE = 3_000_000


class Beneath(asyncio.Transport):
    """A transport that notes what comes; uvloop's raises where it is written to after its end."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[bytes | str] = []

    def write(self, data: Any) -> None:
        self.seen.append(data)

    def close(self) -> None:
        self.seen.append("closed")

    def abort(self) -> None:
        self.seen.append("aborted")

    def is_closing(self) -> bool:
        return "aborted" in self.seen or "closed" in self.seen


def seen(story: Callable[[OneWrite, Beneath], Awaitable[None]]) -> list[bytes | str]:
    """What came beneath of what `story` did with the transport, and a turn of the loop later."""

    async def tell() -> list[bytes | str]:
        beneath = Beneath()
        await story(OneWrite(beneath), beneath)
        await asyncio.sleep(0)
        return beneath.seen

    return asyncio.run(tell())


def test_what_a_turn_writes_is_one_write() -> None:
    async def story(transport: OneWrite, _: Beneath) -> None:
        transport.write(b"head ")
        transport.write(b"body")
        await asyncio.sleep(0)
        transport.write(b"next")

    assert seen(story) == [b"head body", b"next"]


def test_what_was_written_is_sent_before_the_end() -> None:
    async def story(transport: OneWrite, _: Beneath) -> None:
        transport.write(b"last words")
        transport.close()

    assert seen(story) == [b"last words", "closed"]


def test_to_who_is_gone_nothing_is_written() -> None:
    async def story(transport: OneWrite, beneath: Beneath) -> None:
        transport.write(b"to nobody")
        beneath.abort()

    assert seen(story) == ["aborted"]


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    """The path, or for /large a body beyond every buffer."""
    body = b"x" * LARGE if scope["path"] == "/large" else scope["path"].encode()
    await Response(body)(scope, receive, send)


@asynccontextmanager
async def connected() -> Any:
    server = uvicorn.Server(uvicorn.Config(answer, port=0, http=Protocol, lifespan="off", log_level="warning"))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    reader, writer = await asyncio.open_connection(*server.servers[0].sockets[0].getsockname())
    yield reader, writer
    writer.close()
    server.should_exit = True
    await serving


def bodies(requests: list[str], more: str = "") -> list[bytes]:
    """The bodies of the answers to GET requests that are all sent at once."""

    async def ask() -> list[bytes]:
        async with connected() as (reader, writer):
            writer.write("".join(f"GET {path} HTTP/1.1\r\nHost: shop\r\n{more}\r\n" for path in requests).encode())
            found = []
            for _ in requests:
                head = await reader.readuntil(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 200 OK\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                found.append(await reader.readexactly(length))
            if more:
                assert await reader.read() == b""  # the shop has hung up
            return found

    return asyncio.run(asyncio.wait_for(ask(), 20))


def test_answers_are_whole_and_in_order() -> None:
    assert bodies(["/a", "/b", "/large", "/c"]) == [b"/a", b"/b", b"x" * LARGE, b"/c"]


@pytest.mark.parametrize("path", ["/a", "/large"])
def test_the_last_answer_is_whole_where_the_connection_ends(path: str) -> None:
    assert bodies([path], "Connection: close\r\n") == [b"x" * LARGE if path == "/large" else b"/a"]
