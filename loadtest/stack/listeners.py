"""Who listens on the port on which a process of the shop should: buyers must not go to somebody else's server."""

import contextlib
import os
import time
from collections.abc import Collection, Iterator
from urllib.parse import urlsplit

import psutil

from loadtest.errors import ServiceError
from loadtest.stack.process import POLL_S, Process

LOCAL = ("127.0.0.1", "::1", "localhost")
# A process that does not get its port ends within this time. One that lives on has its port elsewhere: behind a proxy, or in a container.
GIVES_UP_S = 3.0


def expect_own(url: str, process: Process, ours: Collection[Process], *, ours_alone: bool) -> None:
    """Look whether `process`, or another of `ours`, listens on the port of `url`, which is ready.

    `ours_alone`: the port was free when the harness chose it, so that nobody may have listened there before.

    Raises:
        ServiceError: the system names another program there, and `process` has ended; or that program was there first.
    """
    if (stranger := _stranger(url, ours)) is None:
        return
    place = f"port {urlsplit(url).port} is that of {stranger.name()!r} (pid {stranger.pid}), which is not of this shop"
    if ours_alone and stranger.create_time() < psutil.Process(process.pid).create_time():
        raise ServiceError(f"{process.name}: {place}; run again, on another port")
    deadline = time.monotonic() + GIVES_UP_S
    while time.monotonic() < deadline:
        if process.exit_code() is not None:
            raise ServiceError(f"{process.name}: ended with {process.exit_code()}; {place}:\n{process.log_tail()}")
        time.sleep(POLL_S)


def _stranger(url: str, ours: Collection[Process]) -> psutil.Process | None:
    """The program that listens there; None if it is ours, on another machine, or not known (of another user, for who is not root)."""
    address = urlsplit(url)
    if address.hostname not in LOCAL or address.port is None:
        return None
    leaders = {process.pid for process in ours}
    found = [pid for pid in _listening(address.port) if psutil.pid_exists(pid)]
    if not found or any(_belongs(pid, leaders) for pid in found):
        return None
    with contextlib.suppress(psutil.Error):
        return psutil.Process(found[0])
    return None


def _listening(port: int) -> Iterator[int]:
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            place = connection.laddr
            if connection.status == psutil.CONN_LISTEN and place and place.port == port and connection.pid:
                yield connection.pid


def _belongs(pid: int, leaders: set[int]) -> bool:
    """Whether it is one of these processes, in its session, or below it."""
    with contextlib.suppress(psutil.Error, OSError):
        above = [parent.pid for parent in psutil.Process(pid).parents()]
        return not leaders.isdisjoint([pid, os.getsid(pid), *above])
    return False
