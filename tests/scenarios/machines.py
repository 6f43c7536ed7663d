"""Other machines, as far as one machine can have them: network namespaces, and a wire that takes its time."""

import contextlib
import os
import queue
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import psutil

# Of the block that is set aside for tests of networks (RFC 2544).
NET = "198.18.77"


@dataclass(frozen=True)
class Machines:
    """`here` is the address at which every machine reaches this one; `prefixes` start a command on each of the others."""

    here: str
    prefixes: tuple[tuple[str, ...], ...]


@contextmanager
def machines(count: int) -> Iterator[Machines]:
    """`count` network namespaces, each on a wire of its own to this one. Where that is not allowed: this machine, so many times."""
    if not _allowed():
        yield Machines("127.0.0.1", ((),) * count)
        return
    _remove_orphans()
    with ExitStack() as stack:
        names = [stack.enter_context(_namespace(number)) for number in range(count)]
        yield Machines(f"{NET}.1", tuple(("ip", "netns", "exec", name) for name in names))


def _allowed() -> bool:
    """Whether there may be one at all: not without root and iproute2, nor in most containers."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return False
    try:
        with _namespace(63):
            return True
    except AssertionError:
        return False


@contextmanager
def _namespace(number: int) -> Iterator[str]:
    name, wire = f"lt{os.getpid()}-{number}", _wire(os.getpid(), number)
    ours, theirs = f"{NET}.{4 * number + 1}", f"{NET}.{4 * number + 2}"
    ip("netns", "add", name)
    try:
        ip("link", "add", wire, "type", "veth", "peer", "name", "up0", "netns", name)
        ip("addr", "add", f"{ours}/30", "dev", wire)
        ip("link", "set", wire, "up")
        for command in (
            "link set lo up",
            "link set up0 up",
            f"addr add {theirs}/30 dev up0",
            f"route add default via {ours}",
        ):
            ip("-n", name, *command.split())
        yield name
    finally:
        subprocess.run(["ip", "link", "del", wire], capture_output=True, check=False)
        ip("netns", "del", name)


def _wire(pid: int, number: int) -> str:
    return f"lt{pid % 100_000}{number}"


def _remove_orphans() -> None:
    """What tests that were killed have left: it would keep our addresses from us."""
    listed = subprocess.run(
        ["ip", "netns", "list"], capture_output=True, text=True, check=True, encoding="utf-8"
    ).stdout
    for name, pid, number in re.findall(r"^(lt(\d+)-(\d+))\b", listed, re.MULTILINE):
        if not psutil.pid_exists(int(pid)):
            subprocess.run(["ip", "link", "del", _wire(int(pid), int(number))], capture_output=True, check=False)
            ip("netns", "del", name)


def ip(*arguments: str) -> None:
    """Runs it, and says what it said when it fails."""
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False, encoding="utf-8")
    assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr}"


class Wire:
    """A TCP proxy from `address` to a port of this machine; whatever goes in comes out `delay_s` later, both ways."""

    def __init__(self, address: str, to_port: int, delay_s: float) -> None:
        self._to_port = to_port
        self._delay_s = delay_s
        self._listener = socket.create_server((address, 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """No further connection."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._to_port))
                for ends in ((near, far), (far, near)):
                    for end in ends:
                        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    under_way: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
                    threading.Thread(target=self._read, args=(ends[0], under_way), daemon=True).start()
                    threading.Thread(target=self._write, args=(ends[1], under_way), daemon=True).start()

    def _read(self, end: socket.socket, under_way: "queue.SimpleQueue[tuple[float, bytes]]") -> None:
        data = b"-"
        while data:
            try:
                data = end.recv(1 << 18)
            except OSError:
                data = b""
            under_way.put((time.monotonic() + self._delay_s, data))

    @staticmethod
    def _write(end: socket.socket, under_way: "queue.SimpleQueue[tuple[float, bytes]]") -> None:
        with contextlib.suppress(OSError), end:
            while True:
                due_s, data = under_way.get()
                time.sleep(max(0.0, due_s - time.monotonic()))
                if not data:
                    return
                end.sendall(data)
