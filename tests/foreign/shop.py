"""A small shop that is not ours: threads, one table of free numbers, and a thread that writes the rows.

``python shop.py prepare`` makes its tables; ``python shop.py serve PORT`` sells. ``MISTAKE`` names what is wrong with it, or what
is unusual and right; `shop.toml` says of each what the harness must make of it. It shares no line with the built-in shop.
"""

import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg2

MISTAKE = os.environ.get("MISTAKE", "")
STOCK = int(os.environ["STOCK"])
TABLES = """
DROP TABLE IF EXISTS foreign_free, foreign_orders, foreign_claims, foreign_rejected, foreign_help;
CREATE TABLE foreign_free (number text, for_sale boolean DEFAULT true);
CREATE TABLE foreign_orders (number text, buyer text, created_at {time} DEFAULT {now});
CREATE TABLE foreign_claims (number text, buyer text);
CREATE TABLE foreign_rejected (number text, buyer text);
CREATE TABLE foreign_help (started timestamptz);
ALTER DATABASE {database} SET timezone TO {zone};
"""


def connect() -> Any:
    """A connection to the shop's database."""
    connection = psycopg2.connect(os.environ["DATABASE_URL"])
    connection.autocommit = True
    return connection


def prepare() -> None:
    """Everything is for sale."""
    naive = MISTAKE.startswith("naive_times")
    now = (
        "(clock_timestamp() AT TIME ZONE 'Asia/Shanghai')"
        if MISTAKE == "naive_times_elsewhere"
        else "clock_timestamp()"
    )
    with connect().cursor() as cursor:
        cursor.execute("SELECT current_database()")
        cursor.execute(
            TABLES.format(
                time="timestamp" if naive else "timestamptz",
                now=now,
                database=cursor.fetchone()[0],
                zone="'Asia/Shanghai'" if MISTAKE == "naive_times" else "DEFAULT",
            )
        )
        cursor.execute("INSERT INTO foreign_free SELECT 'f-' || n FROM generate_series(1, %s) n", (STOCK,))


class Shop:
    """Sells; every method holds the lock. `buy` and `status` give an HTTP status and a body."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.connection = connect()
        self.winners: dict[str, str] = {}
        self.states: dict[str, str] = {}
        self.asked: list[str] = []
        self.orders: Queue[tuple[str, str]] = Queue()
        self.returned: set[str] = set()
        threading.Thread(target=self.work, daemon=True).start()

    def sql(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Run one statement."""
        with self.connection.cursor() as cursor:
            cursor.execute(query, values)
            return list(cursor.fetchall()) if cursor.description else []

    def work(self) -> None:
        """Write the rows, one after the other."""
        connection = connect()
        while True:
            number, buyer = self.orders.get()
            time.sleep(2.5 if MISTAKE == "slow_task" else 0.01)
            with connection.cursor() as cursor:
                if MISTAKE != "confirmed_without_row" or not number.endswith("1"):
                    cursor.execute("INSERT INTO foreign_orders VALUES (%s, %s)", (number, buyer))
                if MISTAKE == "still_counted" and number.endswith("1"):
                    cursor.execute("INSERT INTO foreign_free VALUES (%s, false)", (number,))
                cursor.execute("DELETE FROM foreign_claims WHERE number = %s AND buyer = %s", (number, buyer))
            self.states[number] = "confirmed"

    def buy(self, buyer: str) -> tuple[int, Any]:
        """One click."""
        with self.lock:
            self.asked.append(buyer)
            if MISTAKE == "nobody_understands":
                return 418, {}
            if MISTAKE == "refuses_most" and len(self.asked) > STOCK + 5:
                return 422, {}
            if MISTAKE == "no_answer" and len(self.asked) > STOCK + 5:
                self.lock.release()
                time.sleep(3)
                self.lock.acquire()
            if buyer in self.winners:
                return 409, {"number": self.winners[buyer]}
            free = self.sql(
                "DELETE FROM foreign_free WHERE number = (SELECT min(number) FROM foreign_free WHERE for_sale) RETURNING number"
            )
            if not free:
                return self.sold_out()
            return self.sell(free[0][0], buyer)

    def sell(self, number: str, buyer: str) -> tuple[int, Any]:
        """One unit is this buyer's."""
        if MISTAKE == "returned" and number.endswith(("1", "2")) and number not in self.returned:
            # Queueing failed: the unit is for sale again a little later, when others have been told that nothing is left.
            self.returned.add(number)
            threading.Timer(0.4, self.sql, ("INSERT INTO foreign_free VALUES (%s)", number)).start()
            return 503, {}
        if MISTAKE == "popped_twice" and number.endswith("1") and number not in self.returned:
            # It crashes with the claim in its hands, and the number is handed out again.
            self.returned.add(number)
            self.sql("INSERT INTO foreign_claims VALUES (%s, %s)", number, buyer)
            self.sql("INSERT INTO foreign_free VALUES (%s)", number)
            return 500, {}
        self.winners[buyer] = number
        self.states[number] = "queued"
        self.sql("INSERT INTO foreign_claims VALUES (%s, %s)", number, buyer)
        if MISTAKE == "rejected_to_the_face" and number.endswith("1"):
            self.sql("DELETE FROM foreign_claims WHERE number = %s", number)
            self.sql("INSERT INTO foreign_rejected VALUES (%s, %s)", number, buyer)
            self.states[number] = "rejected"
            return 202, {"number": number}
        self.orders.put((number, buyer))
        return 202, {"number": number}

    def sold_out(self) -> tuple[int, Any]:
        """Nothing is left."""
        if MISTAKE == "won_without_number":
            return 202, {}
        if MISTAKE == "won_with_null":
            return 202, {"number": None}
        if MISTAKE == "won_in_html":
            return 202, "<html>Congratulations</html>"
        if MISTAKE == "bought_nothing":
            return 409, {}
        if MISTAKE == "bought_anothers":
            return 409, {"number": next(iter(self.winners.values()))}
        return 410, {}

    def status(self, number: str) -> tuple[int, Any]:
        """What became of an order."""
        told = self.states.get(number)
        if told is None:
            return 404, {}
        if MISTAKE == "polls_rejected" and told == "confirmed":
            told = "rejected"
        if MISTAKE == "polls_for_ever":
            told = "queued"
        if MISTAKE == "confirmed_at_once" and told == "queued":
            told = "confirmed"
        return 200, {"status": told}


class Handler(BaseHTTPRequestHandler):
    """HTTP over a `Shop`."""

    protocol_version = "HTTP/1.1"
    shop: "Shop"

    def do_GET(self) -> None:
        where = urlsplit(self.path)
        parts = where.path.strip("/").split("/")
        if parts[0] == "orders":
            self.answer(*self.shop.status(parts[1]))
        else:
            self.answer(200, {"open": True, **parse_qs(where.query)})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer(*self.shop.buy(body["buyer"]))

    def answer(self, status: int, body: Any) -> None:
        """Send it."""
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Quiet."""


class Server(ThreadingHTTPServer):
    """For a herd."""

    request_queue_size = 1024
    daemon_threads = True


def assist() -> None:
    """A second process, of no use but that it may die, or not come back."""
    with connect().cursor() as cursor:
        cursor.execute("SELECT count(*) FROM foreign_help")
        if MISTAKE == "never_back" and cursor.fetchone()[0]:
            sys.exit("not again")
        cursor.execute("INSERT INTO foreign_help VALUES (now())")
    print("helper ready", flush=True)
    time.sleep(2 if MISTAKE == "helper_dies" else 3600)


def main() -> None:
    """Prepare, serve, or assist."""
    if sys.argv[1] == "prepare":
        prepare()
    elif sys.argv[1] == "help":
        assist()
    else:
        Handler.shop = Shop()
        Server(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()


if __name__ == "__main__":
    main()
