"""Writes one shard of the history: an intent before each send, a completion after each answer.

Lines are stored into a shared mapping of the file, so that each is in the kernel's hands once its call returns: it
survives a ``kill -9`` of this process (not a power cut of the machine). The file grows in preallocated chunks and is
cut to its length at the close. A killed process therefore leaves NUL bytes after the last line, and at most one torn
line before them: a reader strips trailing NULs and drops a last line without its line feed.
"""

import mmap
import os
from json.encoder import encode_basestring_ascii as quoted
from pathlib import Path

from loadtest.errors import HarnessError
from loadtest.history import Kind, Outcome

CHUNK_BYTES = 4 * 1024 * 1024
# Text that the shop wrote is cut to this length.
MAX_TEXT = 300


class Recorder:
    """The shard ``<history>/<generator>.jsonl``. An existing one is continued, with op numbers that stay unique.

    Raises:
        HarnessError: the file cannot be written, or the disk is full.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._next_op, self._end = _continued(path)
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise HarnessError(f"{path}: the history cannot be written: {error.strerror}") from None
        self._size = self._end
        self._map: mmap.mmap | None = None
        self._grow()

    def intent(self, buyer: str, kind: Kind, scheduled_ns: int, start_ns: int) -> int:
        """Records that `buyer` is about to send; returns the operation's number."""
        op = self._next_op
        self._next_op = op + 1
        self._write(f'{{"op":{op},"b":"{buyer}","k":"{kind}","s":{scheduled_ns},"t":{start_ns}}}\n'.encode())
        return op

    def completion(
        self,
        op: int,
        end_ns: int,
        outcome: Outcome,
        number: str | None,
        http_status: int | None,
        error: str | None,
    ) -> None:
        """Records what became of operation `op`."""
        n = "null" if number is None else quoted(number[:MAX_TEXT])
        x = "null" if error is None else quoted(error[:MAX_TEXT])
        h = "null" if http_status is None else http_status
        self._write(f'{{"op":{op},"e":{end_ns},"o":"{outcome}","n":{n},"h":{h},"x":{x}}}\n'.encode())

    def close(self) -> None:
        """Cuts the file to its length. Nothing can be recorded afterwards; closing twice is fine."""
        if self._map is None:
            return
        length = self._map.tell()
        self._map.close()
        self._map = None
        os.ftruncate(self._fd, length)
        os.close(self._fd)

    def _write(self, line: bytes) -> None:
        if self._map is None:
            raise HarnessError(f"{self.path}: an operation after the history was closed")
        try:
            self._map.write(line)
        except ValueError:  # past the end of the mapping
            self._grow()
            self._map.write(line)

    def _grow(self) -> None:
        """Maps one chunk more. Blocks are reserved first: a full disk must be an error here, not a SIGBUS later."""
        end = self._end if self._map is None else self._map.tell()
        if self._map is not None:
            self._map.close()
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(self._fd, self._size, CHUNK_BYTES)
            else:
                os.ftruncate(self._fd, self._size + CHUNK_BYTES)
        except OSError as error:
            raise HarnessError(
                f"{self.path}: no room for the history: {error.strerror}; free some disk"
            ) from None
        self._size += CHUNK_BYTES
        self._map = mmap.mmap(self._fd, self._size)
        self._map.seek(end)


def _continued(path: Path) -> tuple[int, int]:
    """The next op number and the end of the last whole line of an existing shard."""
    if not path.exists():
        return 1, 0
    lines = path.read_bytes().rstrip(b"\0")
    end = lines.rfind(b"\n") + 1
    intents = lines.count(b'"k":', 0, end)
    return intents + 1, end
