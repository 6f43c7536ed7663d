"""An HTTP endpoint too fast to be the bottleneck: an asyncio protocol on uvloop that answers every packet with the same fixed answer.

It never sleeps, because waking it would cost the client's core, and slow clients more. It parses nothing, so it works only for clients that send one
small request in each packet, as all in these benchmarks do.
"""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import uvloop

BODY = b'{"outcome": "won", "number": "sale-000001"}'
ANSWER = b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)


class Fixed(asyncio.Protocol):
    """One connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, _data: bytes) -> None:
        self._transport.write(ANSWER)


def stay_awake(loop: asyncio.AbstractEventLoop) -> None:
    """Never lets `loop` sleep: waking a sleeper costs the client's core, and the more the slower the client is."""
    loop.call_soon(stay_awake, loop)


async def serve() -> None:
    """Listens on a free port and prints it."""
    stay_awake(asyncio.get_running_loop())
    server = await asyncio.get_running_loop().create_server(Fixed, "127.0.0.1", 0, backlog=16_384)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def endpoint(core: int = 0) -> Iterator[str]:
    """The endpoint's base URL, served from a process pinned to `core` while the block runs."""
    command = ["taskset", "-c", str(core), sys.executable, __file__]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, encoding="utf-8") as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


if __name__ == "__main__":
    uvloop.run(serve())
