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
