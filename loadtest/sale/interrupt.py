"""Ctrl-C and SIGTERM: the first ends the run in order, the second at once."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from loadtest.errors import RunInterrupted
from loadtest.record.run_dir import RunDir


@contextmanager
def interruptible() -> Iterator[Callable[[], None]]:
    """Turn the first SIGINT or SIGTERM into `RunInterrupted`. The second ends the harness at once; the guard then stops the rest.

    DuckDB turns an exception that a signal handler raises into an error of its own, which a caller may have treated as an ordinary one.
    So the function that the context gives, and the end of the context, raise `RunInterrupted` again.
    """
    interruptions: list[RunInterrupted] = []

    def first(number: int, _frame: FrameType | None) -> None:
        for each in before:
            signal.signal(each, second)
        interruptions.append(RunInterrupted(f"interrupted by {signal.Signals(number).name}"))
        raise interruptions[0]

    def again() -> None:
        if interruptions:
            raise interruptions[0]

    def second(_number: int, _frame: FrameType | None) -> None:
        os._exit(RunInterrupted.exit_code)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, first)
    try:
        yield again
        again()
    except Exception:
        again()
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def leaving(run_dir: RunDir) -> Iterator[None]:
    """Have an interruption say that the run was judged before it came, where it was: while its report was drawn, or its shop stopped."""
    try:
        yield
    except RunInterrupted as interruption:
        if run_dir.verdict.exists():
            interruption.left = f"the run was judged before that: loadtest report {run_dir.path}"
        raise
