"""Files that appear whole or not at all: a reader never sees half of one, and a full disk leaves the one that was there."""

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path


def write_text(path: Path, text: str) -> None:
    """Write a whole file, in UTF-8, or nothing."""
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside `path`, to be written in the block; then it takes that place. If anything is raised, nothing of it is left."""
    # Not NamedTemporaryFile: whatever the umask says, nobody else could read its files.
    part = path.with_name(f".{path.name}-{os.getpid()}-{threading.get_ident()}")
    try:
        yield part
        part.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise
