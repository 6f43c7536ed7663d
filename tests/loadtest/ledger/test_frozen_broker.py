import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import pytest

from loadtest.ledger.queue import on_rabbitmq as queues
from loadtest.ledger.queue import open_queue
from loadtest.manifest.order_queue import Queue
from loadtest.stack import Services
from loadtest.stack.embedded import free_port
from tests.waiting import eventually

# Hands on what each side says, until it is stopped: then both sides are connected, and hear nothing.
RELAY = """
import asyncio, sys
async def copy(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
    writer.close()
async def relay(reader, writer):
    there, back = await asyncio.open_connection("127.0.0.1", int(sys.argv[2]))
    await asyncio.gather(copy(reader, back), copy(there, writer), return_exceptions=True)
async def main():
    async with await asyncio.start_server(relay, "127.0.0.1", int(sys.argv[1])) as server:
        print("up", flush=True)
        await server.serve_forever()
asyncio.run(main())
"""


@pytest.fixture
def relayed(rabbitmq: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """RabbitMQ's address through a process that may be frozen, and that process."""
    parts, port = urlsplit(rabbitmq), free_port()
    relay = subprocess.Popen([sys.executable, "-c", RELAY, str(port), str(parts.port or 5672)], stdout=subprocess.PIPE)
    try:
        assert relay.stdout
        assert relay.stdout.readline() == b"up\n"
        login = parts.netloc.rpartition("@")[0]
        yield urlunsplit(parts._replace(netloc=f"{login}@127.0.0.1:{port}")), relay
    finally:
        os.kill(relay.pid, signal.SIGCONT)
        relay.kill()
        relay.wait()


def test_a_rabbitmq_that_is_frozen_is_an_error_in_time(
    relayed: tuple[str, subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queues, "TIMEOUT_S", 1.0)
    url, relay = relayed
    queue = open_queue(Services("", "", url), Queue(name="nobody-made-it"))
    eventually(lambda: queue.depth().ready == 0)
    os.kill(relay.pid, signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        queue.depth()
    with pytest.raises(TimeoutError):
        next(queue.entries())
    with contextlib.suppress(OSError):
        queue.close()
    assert time.monotonic() - began < 30
