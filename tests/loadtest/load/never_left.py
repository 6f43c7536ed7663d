"""One exchange of each client where no order can leave, in a process of its own: what it raises, as a JSON list on standard output.

Arguments: the address of the shop; its authority's certificate or ``-``; what is used up: ``files``, ``ports`` or ``nothing``.
``ports`` changes a setting of the network namespace, so it must be run in one of its own.
"""

import fcntl
import json
import os
import resource
import socket
import struct
import sys
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

from loadtest.load.buyers.fast_buyer import FastLine
from loadtest.load.http.client import Connection, HttpError
from loadtest.load.http.endpoint import endpoint

SIOCSIFFLAGS, IFF_UP = 0x8914, 1


def without_files() -> None:
    """Lowers the limit of open files to those that are open; in between, there is none left to open."""
    top = max(int(open_file.name) for open_file in Path("/proc/self/fd").iterdir()) + 1
    for number in range(top):
        try:
            os.fstat(number)
        except OSError:
            os.dup2(0, number)
    resource.setrlimit(resource.RLIMIT_NOFILE, (top, top))


def without_ports(port: int) -> list[socket.socket]:
    """Two source ports in all, and both are taken."""
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh", b"lo", IFF_UP))
    Path("/proc/sys/net/ipv4/ip_local_port_range").write_text("40000 40001", encoding="utf-8")
    server = socket.create_server(("127.0.0.1", port))
    return [server, *(socket.create_connection(("127.0.0.1", port)) for _ in range(2))]


def raised(line: Any) -> tuple[str, bool, str]:
    """The name of the error, whether the order may have left, and the text."""
    request = line.request("POST", "/sales/sale/orders", {}, b"{}")
    try:
        return "", True, str(line.exchange(request))
    except HttpError as error:
        return type(error).__name__, error.may_have_left, str(error)


def main(url: str, ca: str, used_up: str) -> None:
    where = endpoint(url, None if ca == "-" else Path(ca))
    clients = [Connection(where, 3), FastLine(where, 3, CookieJar())]
    if used_up == "files":
        without_files()
    held = without_ports(where.port) if used_up == "ports" else []
    print(json.dumps([raised(client) for client in clients]))
    del held


if __name__ == "__main__":
    main(*sys.argv[1:])
