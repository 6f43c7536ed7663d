"""The guard: a small process that outlives the harness for a moment, and stops everything that the harness started.

It runs as ``python -I -S guard.py`` with a pipe as standard input, whose other end only the harness holds. However the
harness ends, kill -9 included, the pipe closes; the guard then stops every process group and removes every directory
that it was told of. It reads these lines:

    watch <process group> <signal number> <start>     stop this group with this signal first; `start`: when its leader began, or nothing
    forget <process group>
    remove <directory>

It imports the standard library only, so that it is up in a few milliseconds.
"""

import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterable
from typing import NamedTuple

GRACE_S = 2.0


class Watched(NamedTuple):
    """How to stop a group, and when its leader began."""

    stop_signal: int
    start: str


def main(lines: Iterable[str]) -> None:
    """Collect process groups and directories from `lines` until they end, then stop and remove them."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    groups: dict[int, Watched] = {}
    directories: list[str] = []
    for line in lines:
        verb, _, rest = line.strip().partition(" ")
        if verb == "watch":
            group, stop_signal, *start = rest.split()
            groups[int(group)] = Watched(int(stop_signal), "".join(start))
        elif verb == "forget":
            groups.pop(int(rest), None)
        elif verb == "remove":
            directories.append(rest)
    stop_groups(groups)
    for directory in directories:
        shutil.rmtree(directory, ignore_errors=True)


def stop_groups(groups: dict[int, Watched]) -> None:
    """Signal every group that is still the one watched, give all of them `GRACE_S` together, and kill what is left."""
    ours = [group for group, watched in groups.items() if is_still(group, watched)]
    for group in ours:
        signal_group(group, groups[group].stop_signal)
    deadline = time.monotonic() + GRACE_S
    while any(map(group_exists, ours)) and time.monotonic() < deadline:
        time.sleep(0.02)
    for group in ours:
        if is_still(group, groups[group]):
            signal_group(group, signal.SIGKILL)


def is_still(group: int, watched: Watched) -> bool:
    """Whether the number has not gone to another process. Where the leader is dead, its children keep the number from everybody else."""
    now = started(group)
    return not now or not watched.start or now == watched.start


def started(pid: int) -> str:
    """When the process began, in the kernel's ticks since the machine did; nothing where there is no such process, or no ``/proc``."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:  # noqa: PTH123 - pathlib is slow to import
            return stat.read().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def signal_group(group: int, number: int) -> None:
    """Send a signal to every member of a process group; one that is gone is no error."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def group_exists(group: int) -> bool:
    """Whether any process of the group is left. A zombie that nobody has waited for still counts."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


if __name__ == "__main__":
    main(sys.stdin)
