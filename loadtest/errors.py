"""Every error that the harness raises on purpose, with the exit code it ends a command with; and what becomes of every other one."""

import contextlib
import tempfile
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

LOG = "loadtest.log"


class HarnessError(Exception):
    """The harness itself failed: a service did not come up, a file could not be written.

    The message says what was expected, what was found and what to do.
    """

    exit_code = 70


class UsageError(HarnessError):
    """The user asked for something that cannot be done: a wrong key, value, file or address. Nothing was started."""

    exit_code = 2


class ServiceError(HarnessError):
    """A service or a shop process did not start, did not get ready, or died."""


class Unexpected(HarnessError):
    """Something was raised that nobody had thought of. The message is one line, and names the file that holds the traceback."""


class RunInterrupted(KeyboardInterrupt):
    """Ctrl-C or SIGTERM. No ``except Exception`` can swallow it; what the run has is still read and written.

    `left` says what there is of the run.
    """

    exit_code = 130
    left = "the run has no verdict"


@contextlib.contextmanager
def logged(folder: Path | None = None) -> Iterator[None]:
    """Whatever is raised within, and is none of these, becomes an `Unexpected`; see `unexpected`."""
    try:
        yield
    except HarnessError:
        raise
    except Exception as error:
        raise unexpected(error, folder) from error


def unexpected(error: BaseException, folder: Path | None = None) -> Unexpected:
    """`error` as one line. Its traceback is added to the log in `folder`; where that cannot be written, to one in the temporary directory."""
    return Unexpected(f"{one_line(error)}; {_kept(error, folder)}")


def one_line(error: BaseException) -> str:
    """The first line of what `error` says, after its kind where that is not the operating system's error."""
    said = (str(error).strip().splitlines() or [""])[0]
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename is not None else ""
        return f"{where}{error.strerror}"
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def _kept(error: BaseException, folder: Path | None) -> str:
    text = f"{datetime.now(UTC).isoformat(timespec='seconds')}\n{''.join(traceback.format_exception(error))}\n"
    if folder is not None:
        with contextlib.suppress(OSError):
            return f"the traceback is in {_append(folder, text)}"
    with contextlib.suppress(OSError):
        return f"the traceback is in {_temporary(text)}"
    return "its traceback could not be written"


def _append(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOG).open("a", encoding="utf-8", errors="backslashreplace") as log:
        log.write(text)
    return folder / LOG


def _temporary(text: str) -> Path:
    with tempfile.NamedTemporaryFile(
        "w", prefix="loadtest-", suffix=".log", delete=False, encoding="utf-8", errors="backslashreplace"
    ) as log:
        log.write(text)
    return Path(log.name)
