"""Shipping: a worker that cannot reach the run directory sends its shards to the master while they grow, as Locust messages.

A worker records into files of its own and sends what is new in them, in order, a few pieces at a time. A piece says at which byte
of its shard it begins: the master appends what continues its copy, skips what it has, and acknowledges how many bytes it has. What
is not acknowledged in time is sent again from there. So nothing is lost, duplicated or out of order, whichever messages are lost;
and of a worker that dies the master has all but the last moments.
"""

import contextlib
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from time import monotonic
from typing import Any

import gevent

PIECE = "gate_piece"
RECEIVED = "gate_received"
DELIVERED = "gate_delivered"

# Every STEP_S at most PIECES pieces of each shard: about 5 MB/s, and no long interruption of the buyers.
STEP_S = 0.1
PIECE_BYTES = 128 * 1024
PIECES = 4
# The most unacknowledged bytes of a shard.
WINDOW_BYTES = 4 * 1024 * 1024
# After so long without an acknowledgement, everything unacknowledged is sent again.
AGAIN_S = 2.0

log = logging.getLogger(__name__)


class Growing:
    """A shard of this worker, and how many of its bytes are `sent`, and `received` by the master.

    Bytes that are in the file at the start belong to an earlier sale: they are neither sent nor counted.
    """

    def __init__(self, path: Path) -> None:
        self.sent = 0
        self.received = 0
        self._waits_since = monotonic()
        self._fd = os.open(path, os.O_RDONLY | os.O_CREAT, 0o644)
        self._base = os.fstat(self._fd).st_size

    def piece(self) -> bytes:
        """What to send next: whole lines, at most PIECE_BYTES; empty if there is nothing new, or too much is unacknowledged.

        What follows the last line feed is not sent: a line that is still being written, and the NUL bytes of the mapping.
        """
        if self.sent - self.received >= WINDOW_BYTES:
            return b""
        found = os.pread(self._fd, PIECE_BYTES, self._base + self.sent)
        return found[: found.rfind(b"\n") + 1]

    def acknowledge(self, received: int) -> None:
        """Takes in that the master has the first `received` bytes."""
        if received > self.received:
            self.received, self._waits_since = received, monotonic()
            self.sent = max(self.sent, received)

    def advance(self, sent: int) -> None:
        """Counts `sent` bytes more as sent."""
        if self.sent == self.received:
            self._waits_since = monotonic()
        self.sent += sent

    def doubt(self) -> None:
        """Goes back to the last acknowledged byte, if there was no acknowledgement for AGAIN_S."""
        if self.received < self.sent and monotonic() - self._waits_since > AGAIN_S:
            self.sent = self.received

    @property
    def delivered(self) -> bool:
        """Whether the master has acknowledged every whole line."""
        return self.received == self.sent and not self.piece()

    def close(self) -> None:
        """Closes the file."""
        os.close(self._fd)


class Shipper:
    """The worker's end: ships `shards` (kind → file; kinds are ``history`` and ``samples``) from creation until `finish`."""

    def __init__(self, runner: Any, shards: Mapping[str, Path]) -> None:
        self._runner = runner
        self._growing = {kind: Growing(path) for kind, path in shards.items()}
        self._heard = monotonic()
        self._greenlet = gevent.spawn(self._run)

    def acknowledged(self, kind: str, received: int) -> None:
        """Takes in that the master has the first `received` bytes of the shard of this `kind`."""
        self._heard = monotonic()
        if kind in self._growing:
            self._growing[kind].acknowledge(received)

    def finish(self, timeout_s: float) -> bool:
        """Ships what is left, once nothing writes to the shards any more, and closes them.

        Returns whether all was delivered; gives up when the master has been silent for `timeout_s` seconds.
        """
        self._heard = monotonic()
        while not (delivered := all(shard.delivered for shard in self._growing.values())):
            if monotonic() - self._heard > timeout_s:
                break
            gevent.sleep(STEP_S)
        self._greenlet.kill()
        for shard in self._growing.values():
            shard.close()
        return delivered

    def _run(self) -> None:
        while True:
            for kind, shard in self._growing.items():
                shard.doubt()
                self._ship(kind, shard)
            gevent.sleep(STEP_S)

    def _ship(self, kind: str, shard: Growing) -> None:
        for _ in range(PIECES):
            piece = shard.piece()
            if not piece:
                return
            self._runner.send_message(PIECE, {"kind": kind, "at": shard.sent, "lines": piece})
            shard.advance(len(piece))
            gevent.sleep(0)


class Copy:
    """The master's end: its copy of one shard. `received` counts the bytes of this sale."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab", buffering=0)
        self.received = 0

    def take(self, at: int, lines: bytes) -> int:
        """Appends the part of `lines`, which begin at byte `at` of the shard, that continues the copy. Returns `received`."""
        if at <= self.received < at + len(lines):
            self._file.write(lines[self.received - at :])
            self.received = at + len(lines)
        return self.received

    def close(self) -> None:
        """Closes the copy."""
        with contextlib.suppress(OSError):
            self._file.close()
