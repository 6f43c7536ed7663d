import socket
import subprocess
import sys
from pathlib import Path

import pytest

from loadtest.campaign.web import Page, wished
from loadtest.errors import UsageError
from loadtest.experiment.schema import Experiment
from loadtest.sale.desk import Wish


def test_a_port_that_is_taken_is_told_before_anything_starts() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=rf"--web-port {port}: cannot listen there \(Address already in use\)"):
            Page(port).check()


@pytest.mark.parametrize("path", ["shop", "/shop/"])
def test_a_base_path_begins_with_a_slash_and_does_not_end_with_one(path: str) -> None:
    with pytest.raises(UsageError, match=f"--web-base-path {path}: expected a path such as /locust"):
        Page(0, path).check()


@pytest.mark.parametrize("name", ["http://sale.example.com", "sale.example.com/", "", "a b", "*"])
def test_a_name_of_the_page_is_what_a_browser_sends_as_host(name: str) -> None:
    with pytest.raises(UsageError, match=r"--web-name .*: expected what the browser asks for"):
        Page(0, names=("sale.example.com:8443", "[::1]", name)).check()


def test_a_wish_is_laid_over_the_experiment() -> None:
    asked = wished(Experiment(per_buyer=2), Wish(1, {"stock": 7, "limiter.rate_per_s": 9}))
    assert (asked.stock, asked.limiter.rate_per_s, asked.per_buyer) == (7, 9, 2)


@pytest.mark.parametrize("key", ["scenario", "shop", "mutant", "name", "seed"])
def test_what_is_not_in_the_form_is_for_the_terminal_alone(key: str) -> None:
    with pytest.raises(UsageError, match=f"{key}: cannot be set from the page"):
        wished(Experiment(), Wish(1, {key: "x"}))


def test_a_page_holds_one_sale_after_the_other(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "loadtest", "run", "--web", "--repeat", "2", "--out", str(tmp_path)],
        capture_output=True, text=True, timeout=30, check=False, encoding="utf-8",
    )  # fmt: skip
    assert (done.returncode, done.stderr[:15]) == (2, "loadtest: --web")
    assert list(tmp_path.iterdir()) == []
