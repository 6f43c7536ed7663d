"""A small shop in threads, and rushes of real Locust processes against it."""

import itertools
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from loadtest.record.generators import read_generators

ROOT = Path(__file__).parent.parent.parent
MANIFEST = """
name = "small"
[http]
base_url = "http://127.0.0.1:{port}"
warm = { request = "GET /sales/{sale}" }
[http.buy]
request = "POST /sales/{sale}/orders"
body = { buyer = "{buyer}" }
number = "number"
outcomes = { 202 = "won", 409 = "already_bought", 410 = "sold_out", 429 = "throttled", 422 = "refused", 404 = "refused" }
[http.status]
request = "GET /sales/{sale}/orders/{number}"
[final]
seeded = { pattern = "{sale}-{n:06d}" }
rows = { sql = "SELECT 1" }
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


class Shop(ThreadingHTTPServer):
    """Sells `stock` numbers. `answer` may answer an order in its own way: (status, JSON), or None to sell."""

    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, stock: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.stock = stock
        self.lock = threading.Lock()
        self.asked: list[str] = []
        self.seats = itertools.count(1)  # a visitor without a cookie is given the next
        self.cookies: dict[str, str | None] = {}
        self.sold: dict[str, str] = {}
        self.looks: dict[str, int] = {}
        self.queued_looks = 1
        self.answer: Callable[[str], tuple[int, dict[str, Any]] | None] = lambda _: None
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_: Any) -> None:
        """Buyers who hang up are no news."""

    def order(self, buyer: str) -> tuple[int, dict[str, Any]]:
        with self.lock:
            self.asked.append(buyer)
        if answer := self.answer(buyer):
            return answer
        with self.lock:
            if buyer in self.sold:
                return 409, {"outcome": "already_bought", "number": self.sold[buyer]}
            if len(self.sold) == self.stock:
                return 410, {"outcome": "sold_out"}
            number = self.sold[buyer] = f"sale-{len(self.sold) + 1:06d}"
            return 202, {"outcome": "won", "number": number}

    def status(self, number: str) -> tuple[int, dict[str, Any]]:
        with self.lock:
            self.looks[number] = self.looks.get(number, 0) + 1
            return 200, {"status": "queued" if self.looks[number] <= self.queued_looks else "confirmed"}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Shop

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        buyer = json.loads(body)["buyer"]
        self.server.cookies[buyer] = self.headers["Cookie"]
        self.reply(*self.server.order(buyer))

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if "/orders/" in path:
            self.reply(*self.server.status(path.rsplit("/", 1)[1]))
        else:
            seat = "" if self.headers["Cookie"] else f"Set-Cookie: seat={next(self.server.seats)}; Path=/\r\n"
            self.reply(200, {"stock": self.server.stock}, seat)

    def reply(self, status: int, content: dict[str, Any], headers: str = "") -> None:
        body = json.dumps(content).encode()
        head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
        self.wfile.write(head.encode() + body)

    def log_message(self, *_: Any) -> None:
        """Silent."""


@pytest.fixture
def shop() -> Iterator[Shop]:
    with Shop(stock=5) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


@dataclass
class Rush:
    """A Locust process over scenarios/rush.py or another file, its run directory, and what it wrote."""

    run_dir: Path
    scenario: str = "scenarios/rush.py"
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    def patient(self) -> None:
        """Gives answers 20 s instead of one: a busy machine may answer late."""
        told = self.run_dir / "experiment.toml"
        told.write_text(
            told.read_text(encoding="utf-8").replace("timeout_s = 1\n", "timeout_s = 20\n"), encoding="utf-8"
        )

    def start(self, *options: str, host: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "locust", "-f", self.scenario, "--host", host, *options]
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            stdin=subprocess.DEVNULL,
            encoding="utf-8",
        )
        self.processes.append(process)
        return process

    def headless(self, buyers: int, host: str, *options: str) -> subprocess.Popen[str]:
        """As the harness starts it."""
        return self.start(
            "--headless", "-u", str(buyers), "-r", str(buyers), "--run-dir", str(self.run_dir), "--only-summary",
            "--html", str(self.run_dir / "locust/locust.html"), *options, host=host,
        )  # fmt: skip

    def run(self, buyers: int, host: str, *options: str) -> str:
        """A whole rush; returns what it printed."""
        process = self.headless(buyers, host, *options)
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0, output
        return output

    def wait_for(self, condition: Callable[[], bool], timeout_s: float = 20) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.05)

    def ops(self, kind: str, generator: str = "g*") -> list[dict[str, Any]]:
        """Operations of `kind`: those that ended, by the master's clock, and what is known of those that only began."""
        ahead_ns = {each.generator: each.offset_ns for each in read_generators(self.run_dir)}
        found: list[dict[str, Any]] = []
        for shard in sorted((self.run_dir / "history").glob(f"{generator}.jsonl")):
            lines = [json.loads(line) for line in shard.read_bytes().rstrip(b"\0").splitlines()]
            open_ones = Counter((line["b"], line["k"]) for line in lines if "a" not in line)
            for line in lines:
                if "a" in line:
                    open_ones[line["b"], line["k"]] -= 1
                    times = {key: line[key] + ahead_ns.get(shard.stem, 0) for key in "ste"}
                    found.append(line | times | line["a"])
            found += [{"b": buyer, "k": asked} for buyer, asked in open_ones.elements()]
        return [op for op in found if op["k"] == kind]

    def samples(self, metric: str) -> list[dict[str, Any]]:
        shards = sorted((self.run_dir / "samples").glob("*.jsonl"))
        lines = [json.loads(line) for shard in shards for line in shard.read_text(encoding="utf-8").splitlines()]
        return [line for line in lines if line["m"] == metric]


@pytest.fixture
def rush(tmp_path: Path) -> Iterator[Rush]:
    (tmp_path / "shop.toml").write_text(MANIFEST, encoding="utf-8")
    settings = "[arrivals]\ntimeout_s = 1\npoll_s = 0.2\ngather_s = 20\n[drain]\ndeadline_s = 8\n"
    (tmp_path / "experiment.toml").write_text(settings, encoding="utf-8")
    started = Rush(tmp_path)
    yield started
    for process in started.processes:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.communicate()
