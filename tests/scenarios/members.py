"""A shop in threads that sells to members only: they log in, are given a hidden path at the click, are accepted, and ask by buyer."""

import itertools
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

MANIFEST = """
name = "members"
[buyers]
file = "users.csv"
integers = ["uid"]
[http]
base_url = "http://127.0.0.1:{port}"
cookies = true
pace_per_s = 50
[[http.before]]
request = "POST /login"
form = { user = "{buyer}", password = "{buyer.password}" }
expect = { status = 200, json = { code = 0 } }
capture = { token = "json:data.token" }
[[http.before]]
request = "GET /me"
headers = { Authorization = "Bearer {token}" }
[[http.before]]
request = "GET /path?uid={buyer.uid}"
at = "click"
headers = { Authorization = "Bearer {token}" }
expect = { json = { code = 0 } }
capture = { path = "regex:(/do/[^\\"]+)" }
[http.buy]
request = "POST {path}"
json = { uid = "{buyer.uid}", note = "from {buyer}" }
headers = { Authorization = "Bearer {token}" }
capture = { task = "json:data.task" }
[[http.buy.outcomes]]
status = 200
json = { code = "0" }
is = "accepted"
[[http.buy.outcomes]]
status = 200
contains = "sold out"
is = "sold_out"
[http.status]
request = "GET /result?task={task}&by={buyer}"
[[http.status.outcomes]]
json = { data = 0 }
is = "pending"
[[http.status.outcomes]]
json = { data = -1 }
is = "rejected"
[[http.status.outcomes]]
status = 200
is = "confirmed"
number = "json:data"
[final]
seeded = { pattern = "{sale}-{n:06d}" }
rows = { sql = "SELECT 1" }
"""


class Members(ThreadingHTTPServer):
    """Sells `stock` units. `asked` has every request: (seconds since the epoch, path, user, address)."""

    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, stock: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.stock = stock
        self.lock = threading.Lock()
        self.asked: list[tuple[float, str, str, str]] = []
        self.tokens: dict[str, str] = {}
        self.tasks: dict[str, int] = {}
        self.looks: dict[str, int] = {}
        self.bodies: list[dict[str, Any]] = []
        self.ids = itertools.count(70_001)
        self.locked_out: set[str] = set()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_: Any) -> None:
        """Buyers who hang up are no news."""

    def paths(self, prefix: str) -> list[tuple[float, str, str, str]]:
        return [each for each in self.asked if each[1].startswith(prefix)]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Members

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.path == "/login":
            self.login({key: values[0] for key, values in parse_qs(body, strict_parsing=True).items()})
        else:
            self.buy(json.loads(body))

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        if url.path == "/me":
            self.reply(200 if self.user() else 401, {"me": self.user()})
        elif url.path == "/path":
            self.note(self.user())
            self.reply(200, {"code": 0, "data": f"/do/{query['uid']}-x/buy"})
        else:
            self.result(query)

    def login(self, form: dict[str, str]) -> None:
        user = form["user"]
        self.note(user)
        if form["password"] != f"pw +&{user}" or user in self.server.locked_out:
            return self.reply(200, {"code": 7, "msg": "no such user", "password": form["password"]})
        token = f"tok-{user}-{len(self.server.tokens)}"
        self.server.tokens[token] = user
        return self.reply(200, {"code": 0, "data": {"token": token}}, f"Set-Cookie: sid={user}; Path=/\r\n")

    def user(self) -> str:
        """Who asks, by token and cookie alike; nobody where these do not agree."""
        user = self.server.tokens.get((self.headers["Authorization"] or "").removeprefix("Bearer "), "")
        return user if self.headers["Cookie"] == f"sid={user}" else ""

    def buy(self, body: dict[str, Any]) -> None:
        user, server = self.user(), self.server
        self.note(user)
        if not user or self.path != f"/do/{body['uid']}-x/buy":
            return self.reply(403, {"code": 403})
        with server.lock:
            server.bodies.append(body)
            if len(server.tasks) == server.stock:
                return self.reply(200, {"code": 500, "msg": "sold out"})
            task = f"t/{len(server.tasks)}"
            server.tasks[task] = next(server.ids)
        return self.reply(200, {"code": 0, "data": {"task": task, "token": self.headers["Authorization"]}})

    def result(self, query: dict[str, str]) -> None:
        task = query["task"]
        looks = self.server.looks[task] = self.server.looks.get(task, 0) + 1
        number = self.server.tasks[task]
        self.reply(200, {"data": 0 if looks == 1 else -1 if number % 5 == 0 else number})

    def note(self, user: str) -> None:
        self.server.asked.append((time.time(), self.path, user, self.client_address[0]))

    def reply(self, status: int, content: dict[str, Any], headers: str = "") -> None:
        body = json.dumps(content).encode()
        head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
        self.wfile.write(head.encode() + body)

    def log_message(self, *_: Any) -> None:
        """Silent."""


def write_users(path: Any, count: int) -> None:
    """A file of users as a spreadsheet saves it: with BOM, CRLF and semicolons."""
    rows = "".join(f'"u {n}";"pw +&u {n}";{1000 + n}\r\n' for n in range(1, count + 1))
    path.write_bytes(("\ufeffName;Password;UID\r\n" + rows).encode())
