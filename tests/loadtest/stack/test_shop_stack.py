import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from loadtest.errors import ServiceError
from loadtest.experiment.schema import Experiment
from loadtest.manifest.loading import load_shop
from loadtest.manifest.shop import Shop
from loadtest.stack.process import Supervisor
from loadtest.stack.shop_stack import answers, on_free_port


class Page(BaseHTTPRequestHandler):
    """200 at ``/``, else 503."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/" else 503)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Silent."""


def test_whether_a_shop_answers_is_asked_directly(monkeypatch: pytest.MonkeyPatch, closed_port: int) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port}")
    with HTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        assert answers(f"{url}/")
        assert not answers(f"{url}/health")
        server.shutdown()
    assert not answers(f"http://127.0.0.1:{closed_port}/")


def test_what_is_no_http_is_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def talk() -> None:
            peer, _ = server.accept()
            peer.recv(1024)
            peer.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
            peer.close()

        threading.Thread(target=talk, daemon=True).start()
        assert not answers(f"http://127.0.0.1:{server.getsockname()[1]}/")


@pytest.mark.parametrize(
    ("said", "told"), [("OSError in SemLock.__init__: Read-only file system", True), ("no such table", False)]
)
def test_a_pool_without_semaphores_is_told_of_the_one_that_needs_none(said: str, told: bool, tmp_path: Path) -> None:
    honest, _ = load_shop(Experiment())
    entry = {"role": "worker", "command": [sys.executable, "-c", f"raise SystemExit({said!r})"], "ready_log": "up"}
    shop = Shop.model_validate(honest.model_dump(exclude_unset=True) | {"process": [entry]})
    with (
        Supervisor(tmp_path) as supervisor,
        pytest.raises(ServiceError) as error,
        on_free_port(Experiment(), shop).processes(supervisor),
    ):
        pytest.fail("it is not ready")
    assert ("--set workers.pool=threads" in str(error.value)) is told


WRITES = "import sys; open(sys.argv[1], 'a').write(sys.argv[2])"
RUNS = f"import time; exec({WRITES!r}); print('up', flush=True); time.sleep(60)"


def test_what_is_prepared_after_a_process_comes_when_that_is_ready_and_before_the_next(tmp_path: Path) -> None:
    honest, _ = load_shop(Experiment())
    written = tmp_path / "written"

    def writing(code: str, letter: str) -> list[str]:
        return [sys.executable, "-c", code, str(written), letter]

    keys = {
        "prepare": [
            {"command": writing(WRITES, "C"), "after": "api"}, {"command": writing(WRITES, "A")},
            {"command": writing(WRITES, "E"), "after": "worker"},
        ],
        "process": [
            {"role": "api", "command": writing(RUNS, "B"), "ready_log": "up"},
            {"role": "worker", "command": writing(RUNS, "D"), "ready_log": "up"},
        ],
    }  # fmt: skip
    shop = Shop.model_validate(honest.model_dump(exclude_unset=True, by_alias=True) | keys)
    stack = on_free_port(Experiment(), shop)
    with Supervisor(tmp_path) as supervisor:
        stack.prepare(supervisor)
        with stack.processes(supervisor):
            assert written.read_text(encoding="utf-8") == "ABCDE"
    assert stack.prepared_late


def test_a_late_prepare_that_fails_ends_the_sale_with_what_it_said(tmp_path: Path) -> None:
    honest, _ = load_shop(Experiment())
    keys = {
        "prepare": [{"command": [sys.executable, "-c", "raise SystemExit('no stock')"], "after": "api"}],
        "process": [{"role": "api", "command": [sys.executable, "-c", RUNS, str(tmp_path / "x"), "-"], "ready_log": "up"}],
    }  # fmt: skip
    shop = Shop.model_validate(honest.model_dump(exclude_unset=True, by_alias=True) | keys)
    with (
        Supervisor(tmp_path) as supervisor,
        pytest.raises(ServiceError, match=r"prepare ended with 1:\n.*no stock"),
        on_free_port(Experiment(), shop).processes(supervisor),
    ):
        pytest.fail("it is not prepared")
