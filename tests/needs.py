"""What some tests need beside Python and make. Where it is missing they are skipped; where CI is set they fail instead, if it can be installed."""

import os
import shutil
import socket
import subprocess

import pytest

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


def need(there: object, what: str, how: str, installable: bool = True) -> None:
    """Goes on if `there`. Else the test is skipped, or fails in CI, and says what it needs and how to get it.

    What is not `installable` is the machine's own: a test that needs it is skipped in CI too.
    """
    if not there:
        (pytest.fail if installable and os.environ.get("CI") else pytest.skip)(f"needs {what}: {how}")


def need_program(*names: str, package: str) -> str:
    """The path of the first of these programs that is on PATH; a test that needs it goes on only with one."""
    found = [path for path in map(shutil.which, names) if path]
    need(found, f"{names[0]} on PATH", f"apt install {package}")
    return found[0]


def need_namespace(*unshare: str) -> None:
    """A test that starts programs by `unshare` goes on only where that may be done: not in most containers."""
    try:
        there = subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        there = False
    need(there, "a network namespace of its own", "unshare, and root outside of a container", installable=False)


def need_ipv6() -> None:
    """A test that listens on [::1] goes on only where that is an address."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        there = True
    except OSError:
        there = False
    need(there, "IPv6 on the loopback interface", "sysctl net.ipv6.conf.lo.disable_ipv6=0")


def listens(port: int) -> bool:
    """Whether somebody does on this port of 127.0.0.1."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
