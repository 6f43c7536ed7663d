import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from loadtest.errors import ServiceError, UsageError
from loadtest.experiment.schema import Experiment
from loadtest.manifest.loading import load_shop
from loadtest.manifest.shop import Shop
from loadtest.stack import listeners, shop_stack
from loadtest.stack.process import Command, Supervisor
from loadtest.stack.shop_stack import UNKNOWN_YET, ShopStack, answers

SERVER = """
import http.server, sys, time
time.sleep(float(sys.argv[2]))
class Server(http.server.ThreadingHTTPServer):
    allow_reuse_address = False
    allow_reuse_port = False
http.server.SimpleHTTPRequestHandler.log_message = lambda *_: None
Server(("127.0.0.1", int(sys.argv[1])), http.server.SimpleHTTPRequestHandler).serve_forever()
"""
# A process that answers by way of another, as a container does.
PROXIED = "import time; time.sleep(60)"


def server(port: int, after_s: float = 0) -> list[str]:
    return [sys.executable, "-c", SERVER, str(port), str(after_s)]


def shop_on(port: int, command: list[str]) -> ShopStack:
    honest, _ = load_shop(Experiment())
    entry = {"role": "api", "command": command, "ready_url": "{base_url}/"}
    http = honest.http.model_dump(exclude_unset=True) | {"base_url": f"http://127.0.0.1:{port}"}
    fields = honest.model_dump(exclude_unset=True) | {"process": [entry], "env": {}, "http": http}
    return ShopStack(Experiment(), Shop.model_validate(fields), UNKNOWN_YET, 1)


@contextmanager
def somebody_elses(port: int, tmp_path: Path) -> Iterator[None]:
    """A server of another supervisor, that is, of somebody else."""
    with Supervisor(tmp_path / "foreign") as supervisor:
        process = supervisor.start(Command("foreign", "foreign", server(port)))
        process.wait_ready(lambda: answers(f"http://127.0.0.1:{port}/"), 20)
        yield


def test_an_address_that_answers_before_the_start_is_refused(closed_port: int, tmp_path: Path) -> None:
    stack = shop_on(closed_port, server(closed_port))
    stack.refuse_taken()
    with (
        somebody_elses(closed_port, tmp_path),
        pytest.raises(UsageError, match=rf"process api: http://127.0.0.1:{closed_port}/ answers before it is started"),
    ):
        stack.refuse_taken()


@pytest.mark.parametrize("after_s", [0.0, 0.7])
def test_a_process_that_loses_its_port_is_not_ready_because_the_winner_is(
    after_s: float, closed_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listeners, "GIVES_UP_S", 30)
    stack = shop_on(closed_port, server(closed_port, after_s))
    with (
        somebody_elses(closed_port, tmp_path),
        Supervisor(tmp_path / "ours") as supervisor,
        pytest.raises(ServiceError, match=r"(?s)api: ended with 1.*Address already in use"),
        stack.processes(supervisor),
    ):
        pytest.fail("buyers would come")


def test_a_free_port_that_somebody_had_before_us_is_refused_at_once(closed_port: int, tmp_path: Path) -> None:
    stack = shop_on(closed_port, [sys.executable, "-c", PROXIED])
    chosen = ShopStack(stack.experiment, stack.shop, stack.services, closed_port)
    with (
        somebody_elses(closed_port, tmp_path),
        Supervisor(tmp_path / "ours") as supervisor,
        pytest.raises(ServiceError, match=rf"port {closed_port} is that of 'python.*, which is not of this shop"),
        chosen.processes(supervisor),
    ):
        pytest.fail("buyers would come")


def test_a_shop_behind_somebody_elses_proxy_is_ready(
    closed_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listeners, "GIVES_UP_S", 0.2)
    stack = shop_on(closed_port, [sys.executable, "-c", PROXIED])
    with (
        somebody_elses(closed_port, tmp_path),
        Supervisor(tmp_path / "ours") as supervisor,
        stack.processes(supervisor) as running,
    ):
        assert len(running.of("api")) == 1


def test_our_own_server_is_ready_without_delay_also_where_a_child_of_it_listens(
    closed_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listeners, "GIVES_UP_S", 60)
    child = f"import subprocess; subprocess.run({server(closed_port)!r})"
    with Supervisor(tmp_path / "ours") as supervisor:
        began = time.monotonic()
        with shop_on(closed_port, [sys.executable, "-c", child]).processes(supervisor):
            assert time.monotonic() - began < 50


def test_a_port_on_which_somebody_is_silent_is_none_that_answers(closed_port: int) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", closed_port))
        silent.listen()
        assert not shop_stack.answers(f"http://127.0.0.1:{closed_port}/")
