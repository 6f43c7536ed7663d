"""Locust as the harness starts it, where a user's folder has files, and variables are set, that would mislead Locust by itself."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from .conftest import ROOT, Rush, Shop, free_port
from .test_rush import outcomes

RUSH = str(ROOT / "scenarios/rush.py")
# Fatal where somebody reads it: a sale of a second and a half would be cut off, or would not start.
SETTINGS = {"run-time": "1s", "users": "3", "host": "http://127.0.0.1:1", "no-such-option": "1"}
VARIABLES = {
    "LOCUST_RUN_TIME": "1s", "LOCUST_USERS": "3", "LOCUST_USER_CLASSES": "Nobody", "LOCUST_LOCUSTFILE": "none.py",
    "LOCUST_SKIP_MONKEY_PATCH": "1", "LOCUST_LOGFILE": "/no/such/folder/log", "LOCUST_PROCESSES": "2", "LOCUST_TAGS": "none",
    "LOCUST_EXPECT_WORKERS": "7", "LOCUST_MODE_WORKER": "1", "LOCUST_AUTOSTART": "1",
}  # fmt: skip
# Modules of Python, of libraries that a generator imports at once and later, and of ours.
NAMES = (
    "json",
    "queue",
    "csv",
    "celery",
    "redis",
    "locust",
    "gevent",
    "httptools",
    "msgspec",
    "flask",
    "loadtest",
    "scenarios",
    "target",
)
VISIT = """
from locust import events

import my_helpers
from loadtest.load.buyers.personas import Shopper
from loadtest.load.plugin import install

install(events)
assert my_helpers.HERE


class Visitor(Shopper):
    pass
"""


def launched(
    rush: Rush, shop: Shop, scenario: str, cwd: Path, buyers: int = 10, **variables: str
) -> subprocess.Popen[str]:
    """As the harness starts it."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "loadtest.load.launch"], cwd=cwd, env={**os.environ, **variables}, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    encoding="utf-8",)  # fmt: skip
    rush.processes.append(process)
    assert process.stdin is not None
    arguments = ["-f", scenario, "--headless", "-u", str(buyers), "-r", str(buyers), "--host", shop.url]
    process.stdin.write(json.dumps([*arguments, "--run-dir", str(rush.run_dir), "--only-summary"]) + "\n")
    process.stdin.close()
    process.stdin = None
    return process


def held(rush: Rush, shop: Shop, scenario: str, cwd: Path, **variables: str) -> None:
    """A whole sale, longer than the run time that the surroundings name."""
    shop.answer = lambda _: time.sleep(0.9)  # type: ignore[func-returns-value]
    shop.queued_looks = 3
    rush.patient()
    process = launched(rush, shop, scenario, cwd, **variables)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert outcomes(rush.ops("buy")) == {"won": 5, "sold_out": 5}, output
    assert outcomes(rush.ops("status"))["confirmed"] == 5, output
    assert "every buyer has an answer" in output


def folder(path: Path, *modules: str) -> Path:
    """A folder with `modules`, half of them packages, that end whoever imports them."""
    path.mkdir()
    for number, name in enumerate(modules):
        file = path / f"{name}.py" if number % 2 else path / name / "__init__.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"raise SystemExit('the {name} of the user was imported')", encoding="utf-8")
    return path


@pytest.mark.parametrize("where", ["locust.conf", "pyproject.toml", "home/.locust.conf"])
def test_no_configuration_file_is_read(rush: Rush, shop: Shop, tmp_path: Path, where: str) -> None:
    (tmp_path / "home").mkdir()
    toml = where.endswith(".toml")
    lines = [f"{name} = {json.dumps(value) if toml else value}\n" for name, value in SETTINGS.items()]
    (tmp_path / where).write_text("".join(["[tool.locust]\n" if toml else "", *lines]), encoding="utf-8")
    held(rush, shop, RUSH, tmp_path, HOME=str(tmp_path / "home"))


def test_none_of_its_variables_is_read(rush: Rush, shop: Shop, tmp_path: Path) -> None:
    held(rush, shop, RUSH, tmp_path, **VARIABLES)


def test_the_workers_of_several_processes_read_none_either(rush: Rush, shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "locust.conf").write_text("run-time = 1s\nno-such-option = 1\n", encoding="utf-8")
    port = str(free_port())
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "loadtest.load.launch", "-f", RUSH, "--headless", "-u", "10", "-r", "10", "--host", shop.url,
         "--run-dir", str(rush.run_dir), "--processes", "2", "--master-bind-port", port, "--master-port", port],
        cwd=tmp_path, env={**os.environ, **VARIABLES}, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    encoding="utf-8",)  # fmt: skip
    rush.processes.append(process)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert outcomes(rush.ops("buy")) == {"won": 5, "sold_out": 5}, output


def test_modules_in_the_current_folder_are_not_ours(rush: Rush, shop: Shop, tmp_path: Path) -> None:
    held(rush, shop, RUSH, folder(tmp_path / "mine", *NAMES))


def test_a_scenario_has_its_neighbours_and_none_of_them_stands_in_for_another(
    rush: Rush, shop: Shop, tmp_path: Path
) -> None:
    mine = folder(tmp_path / "mine, and yours", *NAMES)
    (mine / "my_helpers.py").write_text("HERE = True\n", encoding="utf-8")
    (mine / "visit.py").write_text(VISIT, encoding="utf-8")
    held(rush, shop, str(mine / "visit.py"), tmp_path)


def test_a_scenario_may_import_from_the_current_folder(rush: Rush, shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "loads").mkdir()
    (tmp_path / "loads/visit.py").write_text(VISIT, encoding="utf-8")
    (tmp_path / "my_helpers.py").write_text("HERE = True\n", encoding="utf-8")
    held(rush, shop, "loads/visit.py", tmp_path)


@pytest.mark.parametrize("name", ["redis", "json", "locust", "my.own-visit"])
def test_a_scenario_may_have_any_name(rush: Rush, shop: Shop, tmp_path: Path, name: str) -> None:
    (tmp_path / "my_helpers.py").write_text("HERE = True\n", encoding="utf-8")
    (tmp_path / f"{name}.py").write_text(VISIT, encoding="utf-8")
    held(rush, shop, f"{name}.py", tmp_path)


def test_told_nothing_it_ends(tmp_path: Path) -> None:
    command: list[Any] = [sys.executable, "-P", "-m", "loadtest.load.launch"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        encoding="utf-8",
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_bare_locust_keeps_its_ways(rush: Rush, shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "locust.conf").write_text(
        f"headless = true\nusers = 4\nspawn-rate = 4\nhost = {shop.url}\n", encoding="utf-8"
    )
    command = [sys.executable, "-P", "-m", "locust", "-f", RUSH]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        encoding="utf-8",
    )
    assert len(shop.asked) == 4, done.stderr
