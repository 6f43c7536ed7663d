"""docs/your-own-shop.md is done as it says: the manifest is what its TOML parts make together, and each command prints what stands below it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.needs import need
from tests.test_examples import EXAMPLES, install, mariadb_of_its_own  # noqa: F401 (a fixture)

PAGE = EXAMPLES.parent / "docs" / "your-own-shop.md"
END = "<!-- What follows is not executed. -->"
BLOCK = re.compile(r"```(toml|console)\n(.*?)```", re.DOTALL)
GIVEN = "mysql+pymysql://seckill:seckill@127.0.0.1:3306/seckill"
MINE = "examples/code_jwt/mine.toml"


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with the shop of the page in it."""
    shutil.copytree(
        EXAMPLES / "code_jwt",
        tmp_path / "examples" / "code_jwt",
        ignore=shutil.ignore_patterns("__pycache__", "mine.toml"),
    )
    (tmp_path / "examples" / ".venv").symlink_to(EXAMPLES / ".venv")
    return tmp_path


def test_it_goes_as_the_page_says(desk: Path, mariadb_of_its_own: str | None) -> None:  # noqa: F811 (as fixtures are)
    need(mariadb_of_its_own, "a MariaDB on 127.0.0.1:3306", "apt install mariadb-server, and start it")
    install("code_jwt")
    parts: dict[str, str] = {}
    for kind, text in BLOCK.findall(PAGE.read_text(encoding="utf-8").partition(END)[0]):
        if kind == "toml":
            # A part that begins with the same table as an earlier one stands in its place.
            parts[text.partition("\n")[0]] = text
            (desk / MINE).write_text("\n".join(parts.values()), encoding="utf-8")
        else:
            command, _, expected = text.removeprefix("$ ").partition("\n")
            printed = done(desk, command.replace(GIVEN, str(mariadb_of_its_own)))
            position = 0
            for line in expected.splitlines():
                found = pattern_of(line).search(printed, position)
                assert found, f"{command}\nexpected, after what was found: {line}\n{printed}"
                position = found.end()


def done(desk: Path, command: str) -> str:
    """What a command of the page prints."""
    line = command.replace("loadtest", f"{sys.executable} -m loadtest", 1)
    ran = subprocess.run(
        ["sh", "-c", line], cwd=desk, capture_output=True, text=True, timeout=180, check=False, encoding="utf-8"
    )
    assert "Traceback" not in ran.stderr, ran.stderr
    return ran.stdout + ran.stderr


def pattern_of(line: str) -> re.Pattern[str]:
    """The line as a regular expression: ``…`` stands for anything within a line, and blanks for any number of them."""
    pieces = (r"\s+".join(map(re.escape, piece.split())) for piece in line.split("…"))
    return re.compile(r"[^\n]*".join(pieces))
