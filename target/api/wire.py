"""uvicorn's HTTP protocol, with one socket write for each answer.

uvicorn writes the head of an answer and then its body: two system calls here, and often two reads at the client.
docs/performance.md has what that costs for a short answer.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class OneWrite:
    """Wraps `transport`: joins what is written in one iteration of the event loop into one write. All else is passed on unchanged."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._soon = asyncio.get_running_loop().call_soon
        self._written: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Send `data`, together with all that is written in this iteration of the event loop."""
        if not self._written:
            self._soon(self._send)
        self._written.append(data)

    def close(self) -> None:
        """Send what is still held, then close."""
        self._send()
        self._transport.close()

    def _send(self) -> None:
        if self._written and not self._transport.is_closing():
            self._transport.write(b"".join(self._written))
        self._written = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Protocol(HttpToolsProtocol):
    """Used by ``uvicorn --http target.api.wire:Protocol``."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See `asyncio.Protocol.connection_made`: wraps the transport in `OneWrite`."""
        super().connection_made(OneWrite(transport))  # type: ignore[arg-type]
