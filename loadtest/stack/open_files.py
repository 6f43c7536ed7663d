"""Room for connections: each is an open file at either end, and many systems let a process have 1,024 unless it asks for more."""

import contextlib
import resource

# What a generator or a process of the shop holds beside the buyers' connections: logs, shards, its own services.
OTHER_FILES = 200
# The most that one machine can have to one address.
PORTS = 65_536


def make_room(connections: int) -> int:
    """Raises the soft limit of this process, and of those it starts, as far as so many connections ask for and the hard one lets.

    Returns for how many there is room now. See ``getrlimit(2)``, RLIMIT_NOFILE.
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
