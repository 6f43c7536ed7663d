"""Writes one shard of the history: a line before each request is sent, and the whole operation after its answer.

The line before the send goes into a shared mapping of the file, so that the kernel has it before the request leaves: it survives
a ``kill -9`` of this process (not a power cut of the machine). It has no times, so that it can be encoded ahead: encoding numbers
for each send would cost more than everything else. Ended operations are written in batches, at every BATCH-th answer and at
every `flush`: a killed process loses the answers since then, and those operations read as `unknown`, which is sound.

The file grows in preallocated chunks and is truncated to its length when closed. A killed process therefore leaves NUL bytes
after the last line, and at most one torn line before them: a reader strips trailing NULs and drops a last line without its line
feed.
"""

import contextlib
import mmap
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from loadtest.errors import HarnessError
from loadtest.record.history import Kind, Outcome

CHUNK_BYTES = 4 * 1024 * 1024
# Ended operations that are written together: encoding them at once takes a quarter of the time.
BATCH = 64
# Linux's MADV_POPULATE_WRITE: maps the pages ahead, instead of by one page fault each while buyers wait.
POPULATE_WRITE = 23
JSON_LINES = msgspec.json.Encoder().encode_lines


class Answer(
    msgspec.Struct,
    gc=False,
    omit_defaults=True,
    rename={"outcome": "o", "number": "n", "error": "x", "http_status": "h"},
):
    """What one answer meant to a buyer. Fields that are None are left out of its line in the history.

    `http_status` is None without an answer; `refused` then means that the request was never sent. Neither this nor `Ended`
    can be part of a cycle, so the garbage collector does not track them (``gc=False``).
    """

    outcome: Outcome
    number: str | None = None
    error: str | None = None
    http_status: int | None = None

    @property
    def ordered(self) -> bool:
        """Whether the shop took the order, for sure or for now, so that its state can be asked for."""
        return self.outcome in ("won", "accepted")

    @property
    def worth_a_retry(self) -> bool:
        """Whether the request was not sent, its outcome is `unknown`, or the shop answered `throttled`."""
        never_left = self.outcome == "refused" and self.http_status is None
        return never_left or self.outcome in ("unknown", "throttled")


class Order(Answer):
    """An answer that the shop took an order with, and what it holds that further requests name, such as the id of a task. Only the
    answer is recorded."""

    captured: Mapping[str, object] = {}


class Ended(
    msgspec.Struct,
    gc=False,
    rename={"buyer": "b", "kind": "k", "scheduled_ns": "s", "start_ns": "t", "end_ns": "e", "answer": "a"},
):
    """An operation that has ended, as its line in the history has it. Times are nanoseconds since the epoch."""

    buyer: str
    kind: Kind
    scheduled_ns: int
    start_ns: int
    end_ns: int
    answer: Answer


def begun(buyer: str, kind: Kind) -> bytes:
    """The line of the history that says that `buyer` is about to send a request of `kind`."""
    return msgspec.json.encode({"b": _in_unicode(buyer), "k": kind}) + b"\n"


class Recorder:
    """Writes the shard ``<history>/<generator>.jsonl``. An existing one is continued.

    Call ``write(begun(…))`` before a send, and `write_further` if that raises ValueError because the mapping is full. After the
    answer call ``ended.append(…)``, and `flush` once BATCH have ended. Callers use the methods of the mapping and the list
    directly, because a Python method around each would cost more than the work itself.

    Raises:
        HarnessError: the file cannot be written, or the disk is full.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        end = _whole(path)
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise HarnessError(f"{path}: the history cannot be written: {error.strerror}") from None
        self._size, self._closed = end, False
        self._map = self._mapped(end)
        self.ended: list[Ended] = []

    def flush(self) -> None:
        """Writes the operations that have ended since the last flush."""
        lines = ended_lines(self.ended)
        self.ended.clear()
        try:
            self.write(lines)
        except ValueError:
            self.write_further(lines)

    def write_further(self, lines: bytes) -> None:
        """Maps the file anew, one chunk longer, and writes `lines`, which no longer fitted.

        Raises:
            HarnessError: the history is closed, or the disk is full.
        """
        if self._closed:
            raise HarnessError(f"{self.path}: an operation after the history was closed")
        end = self._map.tell()
        self._map.close()
        self._map = self._mapped(end)
        self.write(lines)

    def close(self) -> None:
        """Flushes, and truncates the file to its length. Nothing can be recorded afterwards; a second call does nothing."""
        if self._closed:
            return
        self.flush()
        self._closed = True
        length = self._map.tell()
        self._map.close()
        os.ftruncate(self._fd, length)
        os.close(self._fd)

    def _mapped(self, end: int) -> mmap.mmap:
        """A mapping of the file, made one chunk longer, positioned at byte `end`.

        Disk blocks are reserved before they are mapped: a full disk must be an error here, not a SIGBUS later.
        """
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(self._fd, self._size, CHUNK_BYTES)
            else:
                os.ftruncate(self._fd, self._size + CHUNK_BYTES)
        except OSError as error:
            raise HarnessError(f"{self.path}: no room for the history: {error.strerror}; free some disk") from None
        self._size += CHUNK_BYTES
        mapping = mmap.mmap(self._fd, self._size)
        with contextlib.suppress(OSError, ValueError):  # not Linux, or an old one
            mapping.madvise(POPULATE_WRITE, end - end % mmap.PAGESIZE)
        mapping.seek(end)
        self.write = mapping.write
        return mapping


def ended_lines(ended: Sequence[Ended]) -> bytes:
    """`ended` as lines of the history. A lone surrogate in a text from outside, which UTF-8 cannot encode, becomes ``?``."""
    try:
        return JSON_LINES(ended)
    except UnicodeEncodeError:
        return JSON_LINES([_told_in_unicode(each) for each in ended])


def _told_in_unicode(ended: Ended) -> Ended:
    answer = ended.answer
    number, error = (text and _in_unicode(text) for text in (answer.number, answer.error))
    told = msgspec.structs.replace(answer, number=number, error=error)
    return msgspec.structs.replace(ended, buyer=_in_unicode(ended.buyer), answer=told)


def _in_unicode(text: str) -> str:
    return text.encode(errors="replace").decode()


def _whole(path: Path) -> int:
    """Truncates an existing shard after its last whole line, and returns its length in bytes; 0 if there is none."""
    if not path.exists():
        return 0
    end = path.read_bytes().rstrip(b"\0").rfind(b"\n") + 1
    os.truncate(path, end)
    return end
