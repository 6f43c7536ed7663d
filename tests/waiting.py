"""Waiting until a condition holds."""

import time
from collections.abc import Callable


def eventually(holds: Callable[[], bool], within_s: float = 5) -> None:
    """Returns once ``holds()`` is true. Raises AssertionError after `within_s` seconds."""
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, f"not so within {within_s:g} s"
        time.sleep(0.02)
