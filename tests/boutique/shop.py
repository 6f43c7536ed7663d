"""A small honest shop for manifests that are wrong: users who log in, ids of its own, codes in bodies, a queue in Redis and a worker.

``python shop.py prepare STOCK USERS`` makes its tables; ``python shop.py serve PORT`` sells; ``python shop.py work`` writes the rows.
It shares no line with the built-in shop.
"""

import json
import os
import secrets
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import psycopg2
import redis

TABLES = """
DROP TABLE IF EXISTS boutique_orders, boutique_users, boutique_archive;
CREATE TABLE boutique_users (id serial PRIMARY KEY, name text UNIQUE);
CREATE TABLE boutique_orders (
    id text PRIMARY KEY, reference bigserial, user_id int, name text UNIQUE,
    created timestamptz DEFAULT clock_timestamp(), local timestamp DEFAULT (clock_timestamp() AT TIME ZONE 'Asia/Shanghai')
);
CREATE TABLE boutique_archive (id text, name text, created timestamptz);
"""
QUEUE = "boutique:orders"
PASSWORD = "open sesame"


def connect() -> Any:
    """A connection to the shop's database."""
    connection = psycopg2.connect(os.environ["DATABASE_URL"])
    connection.autocommit = True
    return connection


def cache() -> Any:
    """The shop's Redis."""
    return redis.Redis.from_url(os.environ["REDIS_URL"], decode_responses=True)


def prepare(stock: int, users: int) -> None:
    """Everything is for sale, and everybody is known."""
    with connect().cursor() as cursor:
        cursor.execute(TABLES)
        cursor.execute("INSERT INTO boutique_users (name) SELECT 'user-' || n FROM generate_series(1, %s) n", (users,))
    client = cache()
    for key in client.scan_iter("boutique:*"):
        client.delete(key)
    client.set("boutique:left", stock)


def work() -> None:
    """Write the rows, one after the other."""
    connection, client = connect(), cache()
    print("worker ready", flush=True)
    while True:
        taken = client.blpop(QUEUE, timeout=1)
        if taken is None:
            continue
        order = json.loads(taken[1])
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO boutique_orders (id, user_id, name) SELECT %s, id, name FROM boutique_users WHERE name = %s ON CONFLICT DO NOTHING",
                (order["id"], order["name"]),
            )
        client.hset("boutique:states", order["id"], "placed")


class Shop:
    """Sells, one buyer at a time. Each method gives an HTTP status and a body."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.connection, self.cache = connect(), cache()
        self.sessions: dict[str, str] = {}

    def log_in(self, form: dict[str, list[str]]) -> tuple[int, Any]:
        """A token for who knows the password."""
        name = form.get("name", [""])[0]
        with self.lock, self.connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM boutique_users WHERE name = %s", (name,))
            known = cursor.fetchone() is not None
        if not known or form.get("password") != [PASSWORD]:
            return 200, {"code": 40101, "message": "no such user, or another password"}
        token = secrets.token_hex(16)
        self.sessions[token] = name
        return 200, {"code": 0, "data": {"token": token}}

    def buy(self, token: str, body: Any) -> tuple[int, Any]:
        """One order."""
        name = self.sessions.get(token)
        if name is None:
            return 401, {"code": 40100, "message": "log in first"}
        if not isinstance(body, dict) or body.get("sku") != "scarf":
            return 422, {"code": 42200, "message": "sku: expected scarf"}
        with self.lock:
            if self.cache.sismember("boutique:buyers", name):
                return 200, {"code": 40900, "message": "one each"}
            if self.cache.decr("boutique:left") < 0:
                self.cache.incr("boutique:left")
                return 200, {"code": 41000, "message": "nothing is left"}
            self.cache.sadd("boutique:buyers", name)
        number = f"ord-{secrets.token_hex(4)}"
        self.cache.hset("boutique:states", number, "queued")
        self.cache.rpush(QUEUE, json.dumps({"id": number, "name": name}))
        return 200, {"code": 0, "data": {"id": number, "trace": secrets.token_hex(4)}}

    def status(self, number: str) -> tuple[int, Any]:
        """What became of an order."""
        state = self.cache.hget("boutique:states", number)
        return (
            (200, {"code": 0, "data": {"state": state}})
            if state
            else (404, {"code": 40400, "message": "no such order"})
        )


class Handler(BaseHTTPRequestHandler):
    """HTTP over a `Shop`."""

    protocol_version = "HTTP/1.1"
    shop: "Shop"

    def do_GET(self) -> None:
        if self.path == "/":
            self.answer(200, {"open": True})
        elif self.path.startswith("/orders/"):
            self.answer(*self.shop.status(self.path.rpartition("/")[2]))
        else:
            self.answer(404, {"code": 40400, "message": "no such page"})

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        if self.path == "/login":
            self.answer(*self.shop.log_in(parse_qs(data)))
        elif self.path == "/orders":
            try:
                body = json.loads(data or "null")
            except ValueError:
                body = None
            self.answer(*self.shop.buy((self.headers.get("Authorization") or "").removeprefix("Bearer "), body))
        else:
            self.answer(404, {"code": 40400, "message": "no such page"})

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
    """Prepare, serve, or work."""
    if sys.argv[1] == "prepare":
        prepare(int(sys.argv[2]), int(sys.argv[3]))
    elif sys.argv[1] == "work":
        work()
    else:
        Handler.shop = Shop()
        Server(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()


if __name__ == "__main__":
    main()
