"""Standard output and error that never fail: what cannot be written must not change how a run ends.

A reader that left (``| head -1``), a full disk, an output that was closed, and a terminal whose encoding lacks ✓ are nobody's verdict.
"""

import codecs
import contextlib
import io
import os
import sys
from typing import Any, TextIO

# Characters of the harness's messages, as a terminal shows them that has only ASCII.
PLAIN = {
    "✓": "+", "✗": "x", "→": "->", "·": "-", "…": "...", "–": "-", "−": "-", "×": "x", "÷": "/", "≤": "<=", "≥": ">=", "≈": "~",
    "“": '"', "”": '"', "’": "'",
}  # fmt: skip


class Patient(io.FileIO):
    """A file descriptor that takes whatever is written to it. Once it cannot, the rest of the output goes nowhere."""

    def write(self, data: Any) -> int:
        """Write, or drop what nobody can read; gives the number of bytes that are dealt with."""
        try:
            return super().write(data)
        except OSError:
            with contextlib.suppress(OSError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, self.fileno())
                os.close(nowhere)
            return len(data)


def keep_streams() -> None:
    """Replace the standard streams of this process by patient ones. Those that a caller has put in their place stay."""
    _open_closed()
    codecs.register_error("plain", _plain)
    for number, name in ((1, "stdout"), (2, "stderr")):
        if (found := getattr(sys, name)) is getattr(sys, f"__{name}__"):
            kept = _patient(found, number)
            setattr(sys, name, kept)
            setattr(sys, f"__{name}__", kept)


def _open_closed() -> None:
    """Open what the caller has closed, or the next file that is opened becomes the standard output."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - for the life of the process


def _patient(found: TextIO | None, number: int) -> TextIO:
    encoding = found.encoding if found is not None else "utf-8"
    raw = Patient(number, "wb", closefd=False)
    through = bool(getattr(found, "write_through", False))  # python -u
    if found is not None:
        with contextlib.suppress(OSError, ValueError):
            found.flush()
    return io.TextIOWrapper(
        raw if through else io.BufferedWriter(raw),
        encoding=encoding, errors="plain", line_buffering=raw.isatty() or number == 2, write_through=through,
    )  # fmt: skip


def _plain(error: UnicodeError) -> tuple[str, int]:
    """What the encoding lacks, in characters that all have."""
    assert isinstance(error, UnicodeEncodeError)
    return "".join(PLAIN.get(each, "?") for each in error.object[error.start : error.end]), error.end
