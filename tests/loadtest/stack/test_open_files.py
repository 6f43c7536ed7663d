"""Room for connections, in processes of their own: a limit that was lowered does not rise again by itself."""

import subprocess
import sys
from pathlib import Path

import pytest

from loadtest.stack.open_files import OTHER_FILES

MAKE_ROOM = """
import resource
from loadtest.stack.open_files import make_room
print(make_room({connections}), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def limited(soft: int, hard: int, *argv: str) -> "subprocess.CompletedProcess[str]":
    """Runs `argv` where so many files may be open."""
    shell = ("sh", "-c", f'ulimit -Sn {soft}; ulimit -Hn {hard}; exec "$@"', "sh")
    return subprocess.run([*shell, *argv], capture_output=True, text=True, timeout=60, check=False, encoding="utf-8")


@pytest.mark.parametrize(
    ("connections", "room", "soft"),
    [
        pytest.param(500, 500, 500 + OTHER_FILES, id="as far as they ask for"),
        pytest.param(5000, 1000 - OTHER_FILES, 1000, id="as far as the user may"),
        pytest.param(20, 256 - OTHER_FILES, 256, id="never lowered"),
    ],
)
def test_the_limit_is_raised(connections: int, room: int, soft: int) -> None:
    done = limited(256, 1000, sys.executable, "-c", MAKE_ROOM.format(connections=connections))
    assert done.stdout.split() == [str(number) for number in (room, soft, 1000)], done.stderr


def test_a_sale_that_the_machine_has_no_room_for_does_not_begin(tmp_path: Path) -> None:
    done = limited(
        256, 1000, sys.executable, "-m", "loadtest", "run", "--out", str(tmp_path),
        "--set", "buyers=900", "--set", "traffic.double_click=0.1",
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stdout + done.stderr == (
        "loadtest: buyers = 900: expected room for 990 connections in one process, found room for 800; set fewer buyers, "
        "or raise the hard limit of open files (ulimit -Hn)\n"
    )
    assert not list(tmp_path.iterdir())
