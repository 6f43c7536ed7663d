"""Shipping: shards of a worker that cannot see the run directory go to the master, while they grow, over Locust's own channel.

A worker records into files of its own and sends what is new in them, in order, a few pieces at a time. A piece says at which byte
of its shard it begins: the master appends what continues its copy, leaves out what it has, and answers how far it has come. What is
not acknowledged in time is sent again from there. So nothing is lost, doubled or out of order, however the messages fare; and of a
worker that dies the master has all but the last moment.
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

# A look every so often, a few pieces each: some 5 MB/s, and never long between two buyers.
STEP_S = 0.1
PIECE_BYTES = 128 * 1024
PIECES = 4
# Unacknowledged bytes of a shard, at most.
WINDOW_BYTES = 4 * 1024 * 1024
# Without news of an acknowledgement for so long, everything since is sent again.
AGAIN_S = 2.0

log = logging.getLogger(__name__)


class Growing:
    """A shard on this machine that is about to be written, and how many bytes of what is written are `sent` and `received`.

    What stands there already is of an earlier sale, and not sent.
    """

    def __init__(self, path: Path) -> None:
        self.sent = 0
        self.received = 0
        self._waits_since = monotonic()
        self._fd = os.open(path, os.O_RDONLY | os.O_CREAT, 0o644)
        self._base = os.fstat(self._fd).st_size

    def piece(self) -> bytes:
        """What is to be sent next: whole lines, at most about PIECE_BYTES; empty where there is nothing, or too much under way.

        A shard is mapped ahead of what is written: NUL bytes, and a line that is being written, follow the last line feed.
        """
        if self.sent - self.received >= WINDOW_BYTES:
            return b""
        found = os.pread(self._fd, PIECE_BYTES, self._base + self.sent)
        return found[: found.rfind(b"\n") + 1]

    def acknowledge(self, received: int) -> None:
        """The master has the first `received` bytes."""
        if received > self.received:
            self.received, self._waits_since = received, monotonic()
            self.sent = max(self.sent, received)

    def advance(self, sent: int) -> None:
        """So many bytes more are under way."""
        if self.sent == self.received:
            self._waits_since = monotonic()
        self.sent += sent

    def doubt(self) -> None:
        """Goes back to what is certain, where it took too long."""
        if self.received < self.sent and monotonic() - self._waits_since > AGAIN_S:
            self.sent = self.received

    @property
    def delivered(self) -> bool:
        """Whether the master has all there is."""
        return self.received == self.sent and not self.piece()

    def close(self) -> None:
        """Lets go of the file."""
        os.close(self._fd)


class Shipper:
    """The worker's end: ships `shards`, which are given by their kinds (``history``, ``samples``), from the start until closed."""

    def __init__(self, runner: Any, shards: Mapping[str, Path]) -> None:
        self._runner = runner
        self._growing = {kind: Growing(path) for kind, path in shards.items()}
        self._heard = monotonic()
        self._greenlet = gevent.spawn(self._run)

    def acknowledged(self, kind: str, received: int) -> None:
        """The master answers how far it has come."""
        self._heard = monotonic()
        if kind in self._growing:
            self._growing[kind].acknowledge(received)

    def finish(self, timeout_s: float) -> bool:
        """Ships what is left of shards that are closed. Whether all was delivered before the master was silent for `timeout_s`."""
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
    """The master's end: its copy of one shard."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab", buffering=0)
        self.received = 0

    def take(self, at: int, lines: bytes) -> int:
        """Appends what continues the copy; gives how many bytes it has then."""
        if at <= self.received < at + len(lines):
            self._file.write(lines[self.received - at :])
            self.received = at + len(lines)
        return self.received

    def close(self) -> None:
        """Nothing more comes."""
        with contextlib.suppress(OSError):
            self._file.close()
