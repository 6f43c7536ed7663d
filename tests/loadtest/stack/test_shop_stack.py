import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from loadtest.stack.shop_stack import answers


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
