"""A small shop for members: they log in, are given a hidden path at the click, are accepted, and ask by who they are what became of it.

``python members.py prepare USERS`` makes its tables from the file of users; ``python members.py serve PORT`` sells. ``MISTAKE`` names what is wrong
with it; `members.toml` says of each what the harness must make of it.
"""

import json
import os
import secrets
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from typing import Any
from urllib.parse import parse_qs

import psycopg2

MISTAKE = os.environ.get("MISTAKE", "")
STOCK = int(os.environ["STOCK"])
TABLES = """
DROP TABLE IF EXISTS member_orders, member_goods, member_accounts;
CREATE TABLE member_accounts (phone bigint PRIMARY KEY, password text);
CREATE TABLE member_goods (stock int);
CREATE TABLE member_orders (id bigserial, phone bigint, created_at timestamptz DEFAULT clock_timestamp());
"""


def connect() -> Any:
    """A connection to the shop's database."""
    connection = psycopg2.connect(os.environ["DATABASE_URL"])
    connection.autocommit = True
    return connection


def prepare(users: Path) -> None:
    """Everything is for sale, and the users have accounts."""
    with connect().cursor() as cursor:
        cursor.execute(TABLES)
        cursor.execute("INSERT INTO member_goods VALUES (%s)", (STOCK,))
        for line in users.read_text(encoding="utf-8-sig").splitlines()[1:]:
            cursor.execute("INSERT INTO member_accounts VALUES (%s, %s)", line.split(";"))


class Shop:
    """Sells: who is accepted is in the queue, and the worker decides."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.connection = connect()
        self.tokens: dict[str, int] = {}
        self.paths: dict[int, str] = {}
        self.results: dict[int, int] = {}
        self.orders: Queue[int] = Queue()
        threading.Thread(target=self.work, daemon=True).start()

    def sql(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Run one statement."""
        with self.lock, self.connection.cursor() as cursor:
            cursor.execute(query, values)
            return list(cursor.fetchall()) if cursor.description else []

    def work(self) -> None:
        """Give each who was accepted a unit, as long as there are any."""
        while True:
            phone = self.orders.get()
            time.sleep(0.01)
            least = -2 if MISTAKE == "oversells" else 1
            if not self.sql("UPDATE member_goods SET stock = stock - 1 WHERE stock >= %s RETURNING 1", least):
                self.results[phone] = -1
                continue
            [(number,)] = self.sql("INSERT INTO member_orders (phone) VALUES (%s) RETURNING id", phone)
            if MISTAKE == "loses" and number % 3 == 0:
                self.sql("DELETE FROM member_orders WHERE id = %s", number)
            if MISTAKE == "sells_twice" and number % 3 == 0:
                self.sql("INSERT INTO member_orders (phone) VALUES (%s)", phone)
            self.results[phone] = number

    def log_in(self, form: dict[str, str]) -> tuple[int, Any]:
        """A token, for who knows the password."""
        known = self.sql("SELECT password FROM member_accounts WHERE phone = %s", form["phone"])
        if known != [(form["password"],)] or MISTAKE == "knows_nobody":
            return 200, {"code": 7, "msg": "wrong phone or password"}
        token = secrets.token_urlsafe(12)
        self.tokens[token] = int(form["phone"])
        return 200, {"code": 0, "data": {"token": token}}

    def path(self, phone: int) -> tuple[int, Any]:
        """The hidden path of one member."""
        self.paths[phone] = f"do/{secrets.token_hex(4)}"
        return 200, {"code": 0, "data": self.paths[phone]}

    def buy(self, phone: int, path: str, form: dict[str, str]) -> tuple[int, Any]:
        """One click."""
        if self.paths.get(phone) != path or form != {"goods": "sale", "amount": "1"}:
            return 403, {"code": 403}
        if self.sql("SELECT stock FROM member_goods") == [(0,)]:
            return 200, {"code": 500, "msg": "sold out"}
        if phone in self.results:
            return 200, {"code": 501, "msg": "a second time"}
        self.results[phone] = 0
        self.orders.put(phone)
        return 200, {"code": 0}


class Handler(BaseHTTPRequestHandler):
    """HTTP over a `Shop`."""

    protocol_version = "HTTP/1.1"
    shop: "Shop"

    def do_GET(self) -> None:
        phone = self.shop.tokens.get(self.headers["X-Token"] or "", 0)
        if self.path == "/path":
            self.answer(*self.shop.path(phone))
        elif self.path == "/result":
            self.answer(200, {"code": 0, "data": self.shop.results.get(phone)})
        else:
            self.answer(200, {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = {key: values[0] for key, values in parse_qs(body).items()}
        if self.path == "/login":
            self.answer(*self.shop.log_in(form))
        else:
            phone = self.shop.tokens.get(self.headers["X-Token"] or "", 0)
            self.answer(*self.shop.buy(phone, self.path.strip("/"), form))

    def answer(self, status: int, body: Any) -> None:
        """Send it."""
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Quiet."""


class Server(ThreadingHTTPServer):
    """For a herd."""

    request_queue_size = 1024
    daemon_threads = True


def main() -> None:
    """Prepare, or serve."""
    if sys.argv[1] == "prepare":
        prepare(Path(sys.argv[2]))
    else:
        Handler.shop = Shop()
        Server(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()


if __name__ == "__main__":
    main()
