"""`loadtest check` as its user meets it: what it prints, how it ends, and that nothing is left of it."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from loadtest.stack import Services

BOUTIQUE = Path(__file__).parent / "boutique"


@contextmanager
def checking(where: Path, *arguments: str, **env: str) -> Iterator["subprocess.Popen[str]"]:
    """The command, in an empty folder, with a temporary directory of its own."""
    (where / "tmp").mkdir(exist_ok=True)
    popen = subprocess.Popen(
        [sys.executable, "-u", "-m", "loadtest", "check", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=where, start_new_session=True, encoding="utf-8",
        env={**os.environ, "TMPDIR": str(where / "tmp"), **env},
    )  # fmt: skip
    try:
        yield popen
    finally:
        popen.kill()
        popen.wait()


def check(where: Path, *arguments: str, **env: str) -> tuple[int, str]:
    with checking(where, *arguments, **env) as popen:
        text, _ = popen.communicate(timeout=120)
        return popen.returncode, text


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """The boutique's, in a folder of its own."""
    for name in ("shop.py", "shop.toml"):
        shutil.copy(BOUTIQUE / name, tmp_path)
    return tmp_path / "shop.toml"


@pytest.fixture
def given(services: Services) -> tuple[str, ...]:
    """The options for services that run."""
    return ("--postgres", services.postgres, "--redis", services.redis, "--broker", services.broker)


def test_a_sound_manifest_ends_in_0_and_what_is_next(manifest: Path, given: tuple[str, ...]) -> None:
    code, text = check(manifest.parent, "shop.toml", *given)
    assert code == 0, text
    assert "✗" not in text
    assert "shop.toml is sound" in text
    assert "loadtest run --set shop=shop.toml" in text.splitlines()[-1]
    assert "\x1b" not in text, "nobody looks at it in a terminal"


def test_one_that_is_not_ends_in_2_and_the_first_remedy(manifest: Path, given: tuple[str, ...]) -> None:
    manifest.write_text(manifest.read_text(encoding="utf-8").replace("POST /orders", "POST /order"), encoding="utf-8")
    code, text = check(manifest.parent, "shop.toml", *given, NO_COLOR="1")
    assert code == 2, text
    assert "shop.toml is not sound yet: 1 of" in text
    assert "mend the path of request" in text.splitlines()[-1]


def test_secrets_are_not_shown(manifest: Path, given: tuple[str, ...]) -> None:
    manifest.write_text(
        manifest.read_text(encoding="utf-8").replace('"json:data.token"', '"json:token"'), encoding="utf-8"
    )
    code, text = check(manifest.parent, "shop.toml", *given)
    assert code == 2
    assert '"token": "…"' in text
    assert given[1].split(":")[2].split("@")[0] not in text


def test_an_experiment_names_its_shop(manifest: Path, given: tuple[str, ...]) -> None:
    (manifest.parent / "sale.toml").write_text(
        'name = "boutique"\nshop = "shop.toml"\nstock = 500\nbuyers = 2000\n[arrivals]\nkind = "uniform"\nrate_per_s = 400\nfor_s = 5\n', encoding="utf-8"
    )  # fmt: skip
    code, text = check(manifest.parent, "sale.toml", *given)
    assert code == 0, text
    assert "3 were for sale" in text
    assert "loadtest run sale.toml" in text.splitlines()[-1]


def test_what_is_left_is_not_bought_out_where_it_is_much(manifest: Path, given: tuple[str, ...]) -> None:
    code, text = check(manifest.parent, "shop.toml", "--set", "stock=500", *given)
    assert code == 0, text
    assert "not tried: 500 are for sale" in text


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["nowhere.toml"], "nowhere.toml: no such file; draft a manifest with loadtest init nowhere.toml"),
        (["shop.toml", "--set", "stok=1"], "nearest valid: 'stock'"),
        (["shop.toml", "--mysql", "mysql://127.0.0.1:1/x"], "--mysql"),
    ],
)
def test_what_is_wrong_before_anything_starts_is_one_line(manifest: Path, arguments: list[str], part: str) -> None:
    code, text = check(manifest.parent, *arguments)
    assert code == 2
    assert part in text.strip().splitlines()[-1]
    assert "Traceback" not in text


@pytest.mark.parametrize("line", ["services", "api, worker", "POST /orders"])
def test_ctrl_c_leaves_nothing_behind(line: str, manifest: Path) -> None:
    with checking(manifest.parent, "shop.toml") as popen:
        assert popen.stdout is not None
        for told in popen.stdout:
            if line in told:
                break
        children = psutil.Process(popen.pid).children(recursive=True)
        os.kill(popen.pid, signal.SIGINT)
        text, _ = popen.communicate(timeout=60)
    assert popen.returncode == 130, text
    assert "Traceback" not in text
    _, left = psutil.wait_procs(children, timeout=10)
    assert [each for each in left if each.is_running() and each.status() != psutil.STATUS_ZOMBIE] == []
    assert list((manifest.parent / "tmp").iterdir()) == []
    assert sorted(each.name for each in manifest.parent.iterdir()) == ["shop.py", "shop.toml", "tmp"]


def test_it_leaves_nothing_behind_when_it_ends(manifest: Path, given: tuple[str, ...]) -> None:
    check(manifest.parent, "shop.toml", *given)
    assert list((manifest.parent / "tmp").iterdir()) == []
