"""Writes one shard of the history: who is about to ask, before each send, and the whole operation, after each answer.

What is begun is stored into a shared mapping of the file, so that it is in the kernel's hands before the request is sent:
it survives a ``kill -9`` of this process (not a power cut of the machine). It is a line made once and written often: numbers
in it would cost more than all the rest. What ended follows in batches, with every BATCH-th answer and with every `flush`: of a
killed process the answers since then are missing, and read as `unknown`, which is sound. The file grows in preallocated chunks
and is cut to its length at the close. A killed process therefore leaves NUL bytes after the last line, and at most one torn
line before them: a reader strips trailing NULs and drops a last line without its line feed.
"""

import contextlib
import mmap
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from loadtest.errors import HarnessError
from loadtest.record.history import Kind, Outcome

CHUNK_BYTES = 4 * 1024 * 1024
# So many operations that ended are written together: encoding them at once takes a quarter of the time.
BATCH = 64
# Linux's MADV_POPULATE_WRITE: pages are there before they are written, not one fault each while buyers wait.
POPULATE_WRITE = 23
JSON_LINES = msgspec.json.Encoder().encode_lines


class Answer(
    msgspec.Struct,
    gc=False,
    omit_defaults=True,
    rename={"outcome": "o", "number": "n", "error": "x", "http_status": "h"},
):
    """What a buyer made of one answer. What is not known is left out of its line.

    `http_status` is None without an answer; `refused` then means that the request never left. It holds no cycles, so no
    collection walks it, nor what ended.
    """

    outcome: Outcome
    number: str | None = None
    error: str | None = None
    http_status: int | None = None

    @property
    def worth_a_retry(self) -> bool:
        """Whether there was no answer, or one that asks for patience."""
        never_left = self.outcome == "refused" and self.http_status is None
        return never_left or self.outcome in ("unknown", "throttled")


class Ended(
    msgspec.Struct,
    gc=False,
    rename={"buyer": "b", "kind": "k", "scheduled_ns": "s", "start_ns": "t", "end_ns": "e", "answer": "a"},
):
    """An operation that ended, and the line of the history that says so."""

    buyer: str
    kind: Kind
    scheduled_ns: int
    start_ns: int
    end_ns: int
    answer: Answer


def begun(buyer: str, kind: Kind) -> bytes:
    """The line that says that `buyer` is about to send an operation of `kind`."""
    return msgspec.json.encode({"b": _in_unicode(buyer), "k": kind}) + b"\n"


class Recorder:
    """The shard ``<history>/<generator>.jsonl``. One that exists is continued.

    It is used as ``write(begun(…))`` before a send, `write_further` where that raises ValueError for want of room, and
    ``ended.append(…)`` after the answer, with a `flush` once BATCH have ended. The mapping's and the list's own methods are the
    fastest there are: a method of Python's around each would cost more than what it does.

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
        """Writes the operations that ended."""
        lines = ended_lines(self.ended)
        self.ended.clear()
        try:
            self.write(lines)
        except ValueError:
            self.write_further(lines)

    def write_further(self, lines: bytes) -> None:
        """Writes what does not fit into what is mapped."""
        if self._closed:
            raise HarnessError(f"{self.path}: an operation after the history was closed")
        end = self._map.tell()
        self._map.close()
        self._map = self._mapped(end)
        self.write(lines)

    def close(self) -> None:
        """Cuts the file to its length. Nothing can be recorded afterwards; closing twice is fine."""
        if self._closed:
            return
        self.flush()
        self._closed = True
        length = self._map.tell()
        self._map.close()
        os.ftruncate(self._fd, length)
        os.close(self._fd)

    def _mapped(self, end: int) -> mmap.mmap:
        """The file, one chunk longer, to be written from `end`.

        Blocks are reserved before they are mapped: a full disk must be an error here, not a SIGBUS later.
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
    """Lines of the history, encoded in one go. What is no Unicode in text from outside (a lone surrogate) becomes a question mark."""
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
    """The end of the last whole line of an existing shard, which is cut to that end."""
    if not path.exists():
        return 0
    end = path.read_bytes().rstrip(b"\0").rfind(b"\n") + 1
    os.truncate(path, end)
    return end
