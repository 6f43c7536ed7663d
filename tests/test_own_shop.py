"""A shop that the harness did not start, written for the test in other words than ours, on services that were given."""

import json
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from loadtest.stack import Services
from loadtest.stack.embedded import free_port
from loadtest.stack.process import Command, Supervisor
from loadtest.stack.shop_stack import answers

# One thread and one connection: it serialises everything, and so cannot oversell.
SHOP = """
import json, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
import psycopg2

connection = psycopg2.connect(sys.argv[2])
connection.autocommit = True
lock = Lock()

class Shop(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(200, {})

    def do_POST(self):
        user = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["user"]
        with lock, connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM tickets")
            sold = cursor.fetchone()[0]
            if sold >= STOCK:
                return self.answer(410, {})
            cursor.execute("INSERT INTO tickets VALUES (%s, %s)", (f"t{sold + 1}", user))
        self.answer(200, {"order": {"id": f"t{sold + 1}"}})

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass

class Server(ThreadingHTTPServer):
    request_queue_size = 1024
    daemon_threads = True

Server(("127.0.0.1", int(sys.argv[1])), Shop).serve_forever()
"""

MANIFEST = """
name = "tickets"
[http]
base_url = "http://127.0.0.1:{port}"
warm = {{ request = "GET /" }}
[http.buy]
request = "POST /buy"
body = {{ user = "{{buyer}}" }}
number = "order.id"
outcomes = {{ 200 = "won", 410 = "sold_out" }}
[final]
seeded = {{ pattern = "t{{n}}" }}
rows = {{ sql = "SELECT id AS number, buyer, created_at FROM tickets" }}
tokens = {{ sql = "SELECT 't' || n AS number FROM generate_series((SELECT count(*) + 1 FROM tickets), 20) n" }}
"""


@pytest.fixture
def shop(services: Services, tmp_path: Path) -> Iterator[Path]:
    """The manifest of a ticket shop that runs."""
    port = free_port()
    (tmp_path / "shop.py").write_text(textwrap.dedent(SHOP).replace("STOCK", "20"), encoding="utf-8")
    manifest = tmp_path / "shop.toml"
    manifest.write_text(MANIFEST.format(port=port), encoding="utf-8")
    with psycopg2.connect(services.postgres) as connection, connection.cursor() as cursor:
        cursor.execute(
            "DROP TABLE IF EXISTS tickets; CREATE TABLE tickets (id text, buyer text, created_at timestamptz DEFAULT clock_timestamp())"
        )
    with Supervisor(tmp_path / "logs") as supervisor:
        process = supervisor.start(
            Command("shop", "shop", [sys.executable, str(tmp_path / "shop.py"), str(port), services.postgres])
        )
        process.wait_ready(lambda: answers(f"http://127.0.0.1:{port}/"), 20)
        yield manifest


def sell(manifest: Path, services: Services, *more: str) -> tuple[int, dict[str, object], str]:
    command = [
        sys.executable, "-m", "loadtest", "run", "rush", "--no-report", "--set", f"shop={manifest}", "--set", "stock=20", "--set", "buyers=80",
        "--set", "dispatch=inline", "--out", str(manifest.parent / "runs"),
        "--postgres", services.postgres, "--redis", services.redis, "--broker", services.broker, *more,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, encoding="utf-8")
    verdict = manifest.parent / "runs" / "latest" / "verdict.json"
    return (
        done.returncode,
        json.loads(verdict.read_text(encoding="utf-8")) if verdict.exists() else {},
        done.stdout + done.stderr,
    )


def test_a_shop_described_by_its_manifest_alone_is_judged(shop: Path, services: Services) -> None:
    code, verdict, text = sell(shop, services, "--report")
    assert code == 0, text
    assert verdict["counts"]["sold"] == 20  # type: ignore[index]
    password = services.postgres.split(":")[2].split("@")[0]
    for path in (shop.parent / "runs" / "latest").resolve().rglob("*"):
        assert not path.is_file() or password.encode() not in path.read_bytes(), path


def test_what_it_sold_before_is_seen(shop: Path, services: Services) -> None:
    sell(shop, services)
    code, verdict, text = sell(shop, services)
    assert code != 0, "nobody reset this shop: nobody can win in the second sale"
    assert verdict["verdict"] != "VALID", text
