"""Ctrl-C and SIGTERM: the first ends the run in order, the second at once."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from loadtest.errors import RunInterrupted


@contextmanager
def interruptible() -> Iterator[None]:
    """Turn the first SIGINT or SIGTERM into `RunInterrupted`. The second ends the harness; the guard then stops the rest."""

    def first(number: int, _frame: FrameType | None) -> None:
        for each in before:
            signal.signal(each, second)
        raise RunInterrupted(f"interrupted by {signal.Signals(number).name}")

    def second(_number: int, _frame: FrameType | None) -> None:
        os._exit(RunInterrupted.exit_code)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, first)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
