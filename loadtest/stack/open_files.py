"""Raises the limit of open files: each connection is one at either end, and many systems allow a process 1,024 unless it asks for more."""

import contextlib
import resource

# What a generator or a process of the shop holds beside the buyers' connections: logs, shards, its own services.
OTHER_FILES = 200
# The most connections that one machine can have to one address and port: each needs a local port.
PORTS = 65_536


def make_room(connections: int) -> int:
    """Raise this process's soft limit of open files to what `connections` need, at most to the hard limit.

    Processes that it starts inherit the limit. Returns how many connections there is room for now. See ``getrlimit(2)``, RLIMIT_NOFILE.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + OTHER_FILES
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):  # macOS refuses what its kernel cannot hold
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return connections if soft == resource.RLIM_INFINITY else soft - OTHER_FILES
