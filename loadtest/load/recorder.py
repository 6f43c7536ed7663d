"""Writes one shard of the history: an intent before each send, a completion after each answer.

An intent is stored into a shared mapping of the file, so that it is in the kernel's hands before the request is sent:
it survives a ``kill -9`` of this process (not a power cut of the machine). Completions follow in batches, with every
BATCH-th intent and with every `flush`: of a killed process the answers since then are missing, and read as `unknown`, which
is sound. The file grows in preallocated chunks and is cut to its length at the close. A killed process therefore leaves NUL bytes after the last line, and at most one torn
line before them: a reader strips trailing NULs and drops a last line without its line feed.
"""

import contextlib
import mmap
import os
from collections.abc import Callable, Sequence
from json.encoder import encode_basestring_ascii as quoted
from pathlib import Path

import msgspec

from loadtest.errors import HarnessError
from loadtest.history import Kind, Outcome

CHUNK_BYTES = 4 * 1024 * 1024
# Every so many intents the completions that wait are written, together: that takes a quarter of the time. A power of two.
BATCH = 64
# Linux's MADV_POPULATE_WRITE: pages are there before they are written, not one fault each while buyers wait.
POPULATE_WRITE = 23
JSON_LINES = msgspec.json.Encoder().encode_lines


class Answer(
    msgspec.Struct,
    gc=False,
    omit_defaults=True,
    rename={"outcome": "o", "number": "n", "error": "x", "end_ns": "e", "http_status": "h"},
):
    """What a buyer made of one answer, and the line of the history that says so: whoever records it fills in `op` and `end_ns`.

    `http_status` is None without an answer; `refused` then means that the request never left. Fields have names of one letter in
    the file, where what is not known is left out. It holds no cycles, so no collection walks it.
    """

    outcome: Outcome
    number: str | None = None
    error: str | None = None
    op: int = 0
    end_ns: int = 0
    http_status: int | None = None

    @property
    def worth_a_retry(self) -> bool:
        """Whether there was no answer, or one that asks for patience."""
        never_left = self.outcome == "refused" and self.http_status is None
        return never_left or self.outcome in ("unknown", "throttled")


def tag(buyer: str, kind: Kind) -> bytes:
    """The intents of `buyer` but for the numbers op, scheduled_ns and start_ns: a form for ``%``, made once."""
    return b'{"op":%%d,"b":%b,"k":"%b","s":%%d,"t":%%d}\n' % (
        quoted(buyer).replace("%", "%%").encode(),
        kind.encode(),
    )


class Recorder:
    """The shard ``<history>/<generator>.jsonl``. One that exists is continued, with op numbers that stay unique.

    Raises:
        HarnessError: the file cannot be written, or the disk is full.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._next_op, end = _continued(path)
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise HarnessError(f"{path}: the history cannot be written: {error.strerror}") from None
        self._size, self._closed = end, False
        self._map = self._mapped(end)
        self._answered: list[Answer] = []
        # Records what became of an operation; it is written with the next flush. The list's own method is the fastest.
        self.completion: Callable[[Answer], None] = self._answered.append

    def intent(self, tag: bytes, scheduled_ns: int, start_ns: int) -> int:
        """Records that the buyer of `tag` is about to send; returns the operation's number."""
        op = self._next_op
        self._next_op = op + 1
        line = tag % (op, scheduled_ns, start_ns)
        try:
            self._write(line)
        except ValueError:
            self._write_further(line)
        if not op % BATCH:
            self.flush()
        return op

    def flush(self) -> None:
        """Writes the completions that wait."""
        lines = completion_lines(self._answered)
        self._answered.clear()
        try:
            self._map.write(lines)
        except ValueError:
            self._write_further(lines)

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

    def _write_further(self, lines: bytes) -> None:
        """Writes what does not fit into what is mapped."""
        if self._closed:
            raise HarnessError(f"{self.path}: an operation after the history was closed")
        end = self._map.tell()
        self._map.close()
        self._map = self._mapped(end)
        self._map.write(lines)

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
        self._write = mapping.write
        return mapping


def completion_lines(answers: Sequence[Answer]) -> bytes:
    """Lines of the history, encoded in one go. What is no Unicode in text from outside (a lone surrogate) becomes a question mark."""
    try:
        return JSON_LINES(answers)
    except UnicodeEncodeError:
        return JSON_LINES([_in_unicode(answer) for answer in answers])


def _in_unicode(answer: Answer) -> Answer:
    number, error = (text and text.encode(errors="replace").decode() for text in (answer.number, answer.error))
    return msgspec.structs.replace(answer, number=number, error=error)


def _continued(path: Path) -> tuple[int, int]:
    """The next op number and the end of the last whole line of an existing shard, which is cut to that end."""
    if not path.exists():
        return 1, 0
    lines = path.read_bytes().rstrip(b"\0")
    end = lines.rfind(b"\n") + 1
    os.truncate(path, end)
    return lines.count(b'"k":', 0, end) + 1, end
