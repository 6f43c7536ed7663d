"""HTTP on the wire: uvicorn's protocol, with one write for each answer.

uvicorn writes the head of an answer and then its body, each a system call here and often a read of its own at the buyer's.
What that costs of a short answer is in docs/performance.md.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class OneWrite:
    """A transport that sends at the end of a turn of the event loop what was written in it. All else is the one's beneath."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._soon = asyncio.get_running_loop().call_soon
        self._written: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Send `data` with what else this turn writes."""
        if not self._written:
            self._soon(self._send)
        self._written.append(data)

    def close(self) -> None:
        """Close, once all is sent."""
        self._send()
        self._transport.close()

    def _send(self) -> None:
        if self._written and not self._transport.is_closing():
            self._transport.write(b"".join(self._written))
        self._written = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Protocol(HttpToolsProtocol):
    """``uvicorn --http target.api.wire:Protocol``."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to listen to a buyer."""
        super().connection_made(OneWrite(transport))  # type: ignore[arg-type]
