"""Whole sales of shops that keep their orders elsewhere than in Postgres, read by what their manifests say."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pymysql
import pytest

# One lock around everything, so that it cannot oversell. Its ids are its own; the stock is opened by its own API.
SHOP = """
import json, os, sqlite3, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock

lock = Lock()
if sys.argv[2] == "mysql":
    import pymysql
    db = pymysql.connect(host=os.environ["DB_HOST"], port=int(os.environ["DB_PORT"]), user=os.environ["DB_USER"],
        password=os.environ["DB_PASSWORD"], database=os.environ["DB_NAME"], autocommit=True)
    serial, hole = "BIGINT AUTO_INCREMENT PRIMARY KEY", "%s"
else:
    db = sqlite3.connect(sys.argv[3], isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA journal_mode = wal")
    serial, hole = "INTEGER PRIMARY KEY AUTOINCREMENT", "?"

def run(sql, *values):
    cursor = db.cursor()
    cursor.execute(sql.replace("?", hole), values)
    return cursor

class Shop(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(200, {})

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with lock:
            if self.path == "/open":
                run("DROP TABLE IF EXISTS purchases"), run("DROP TABLE IF EXISTS shelf")
                run(f"CREATE TABLE purchases (id {serial}, who VARCHAR(40), at DOUBLE, pieces INT)")
                run("CREATE TABLE shelf (pieces INT)"), run("INSERT INTO shelf VALUES (?)", asked["stock"])
                return self.answer(200, {})
            if run("SELECT pieces FROM shelf").fetchone()[0] < 2:
                return self.answer(200, {"ok": False})
            run("UPDATE shelf SET pieces = pieces - 2")
            made = run("INSERT INTO purchases (who, at, pieces) VALUES (?, ?, 2)", asked["user"], time.time())
        self.answer(200, {"ok": True, "id": made.lastrowid})

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
OPEN = """
import json, sys, urllib.request
request = urllib.request.Request(sys.argv[1] + "/open", json.dumps({"stock": int(sys.argv[2])}).encode())
urllib.request.urlopen(request).close()
"""
MANIFEST = """
name = "pieces"
[[process]]
role = "api"
command = [PYTHON, "{here}/shop.py", "{port}", KIND]
ready_url = "{base_url}/"
[[prepare]]
after = "api"
command = [PYTHON, "{here}/open.py", "{base_url}", "{stock}"]
[reset]
command = ["touch", "{here}/was-reset"]
[http]
base_url = "http://127.0.0.1:{port}"
[http.buy]
request = "POST /buy"
json = { user = "{buyer}" }
number = "json:id"
[[http.buy.outcomes]]
json = { ok = true }
is = "won"
[[http.buy.outcomes]]
json = { ok = false }
is = "sold_out"
"""
SQL = "SELECT id AS number, who AS buyer, at AS created_at, pieces AS quantity FROM purchases"
# As the shell of a database that SQLAlchemy does not know would print it.
PRINT = """
import csv, sqlite3, sys
rows = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True).execute(sys.argv[2])
out = csv.writer(sys.stdout)
out.writerow(column[0] for column in rows.description)
out.writerows(rows)
"""
IN_SQLITE = f"""
[truth]
url = "sqlite:///{{scratch}}/shop.db"
[final]
rows = {{ sql = "{SQL}" }}
left = {{ sql = "SELECT pieces FROM shelf" }}
"""
BY_COMMAND = f"""
[queue]
kind = "command"
command = ["echo", "0"]
[final]
rows = {{ command = [PYTHON, "{{here}}/print.py", "{{scratch}}/shop.db", "{SQL}"] }}
left = {{ command = [PYTHON, "{{here}}/print.py", "{{scratch}}/shop.db", "SELECT pieces FROM shelf"] }}
"""
IN_MYSQL = f"""
[env]
DB_HOST = "{{stack.mysql.host}}"
DB_PORT = "{{stack.mysql.port}}"
DB_USER = "{{stack.mysql.user}}"
DB_PASSWORD = "{{stack.mysql.password}}"
DB_NAME = "{{stack.mysql.database}}"
[truth]
url = "{{stack.mysql}}"
[final]
rows = {{ sql = "{SQL}" }}
left = {{ sql = "SELECT pieces FROM shelf" }}
"""


def sell(folder: Path, more: str, kind: str, *options: str) -> tuple[Path, str]:
    """The directory of a sale of 20 pieces, two an order, and what was said of it."""
    texts = {"shop.py": SHOP, "open.py": OPEN, "print.py": PRINT}
    texts["shop.toml"] = (MANIFEST + more).replace("PYTHON", json.dumps(sys.executable)).replace("KIND", kind)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    command = [
        sys.executable, "-m", "loadtest", "run", "rush", "--no-report", "--set", f"shop={folder}/shop.toml", "--set", "stock=20",
        "--set", "buyers=60", "--set", "per_buyer=2", "--set", "dispatch=inline", "--set", "limiter.kind=none", "--set", "drain.deadline_s=10",
        "--out", str(folder / "runs"), *options,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, encoding="utf-8")
    return folder / "runs" / "latest", done.stdout + done.stderr


def stored(run: Path) -> tuple[Any, ...]:
    """Of its orders: how many, their pieces, buyers and times; and what the shop says is left."""
    (rows,) = duckdb.sql(
        f"SELECT count(*), sum(quantity), count(DISTINCT buyer), count(created_ns), count(DISTINCT number) FROM '{run}/final/orders.parquet'"
    ).fetchall()
    ((left,),) = duckdb.sql(f"SELECT left_units FROM '{run}/sale.parquet'").fetchall()
    return (*rows, left)


def verdict_of(run: Path) -> str:
    return str(json.loads((run / "verdict.json").read_text(encoding="utf-8"))["verdict"])


@pytest.fixture
def account(mysql: str) -> Iterator[str]:
    """The address of a database of MySQL, with a password."""
    host, _, database = mysql.rpartition("/")
    user = f"{database}_user"
    with (
        contextlib.closing(pymysql.connect(host="127.0.0.1", user="root", autocommit=True)) as server,
        server.cursor() as cursor,
    ):
        cursor.execute(
            f"CREATE USER '{user}'@'%' IDENTIFIED BY 'streng-geheim', '{user}'@'localhost' IDENTIFIED BY 'streng-geheim'"
        )
        cursor.execute(f"GRANT ALL ON {database}.* TO '{user}'@'%', '{user}'@'localhost'")
        try:
            yield f"{host.replace('root@', f'{user}:streng-geheim@')}/{database}"
        finally:
            cursor.execute(f"DROP USER '{user}'@'%', '{user}'@'localhost'")


@pytest.mark.parametrize(("more", "sampled"), [(IN_SQLITE, True), (BY_COMMAND, False)])
def test_orders_in_a_file_or_printed_by_a_command_are_read(tmp_path: Path, more: str, sampled: bool) -> None:
    run, text = sell(tmp_path, more, '"sqlite", "{scratch}/shop.db"')
    assert stored(run) == (10, 20, 10, 10, 10, 0), text
    scope = json.loads((run / "scope.json").read_text(encoding="utf-8"))
    assert scope["units"] == "counted"
    assert verdict_of(run) == "VALID", text
    assert {"rows.number", "rows.buyer", "rows.created_at", "rows.quantity", "left"} <= set(scope["declared"])
    probed = {probe for (probe,) in duckdb.sql(f"SELECT DISTINCT probe FROM '{run}/samples.parquet'").fetchall()}
    assert ("truth" in probed, "postgres" in probed, "mysql" in probed) == (sampled, False, False)
    assert (tmp_path / "was-reset").exists()
    assert not (run / "logs" / "postgres.log").exists(), "nobody asks for one"


def test_orders_in_mysql_are_read_and_probed_and_no_password_is_kept(tmp_path: Path, account: str) -> None:
    run, text = sell(tmp_path, IN_MYSQL, '"mysql"', "--mysql", account)
    assert stored(run) == (10, 20, 10, 10, 10, 0), text
    ((commits, waits),) = duckdb.sql(
        f"SELECT max(value) FILTER (WHERE metric = 'write_xids'), max(value) FILTER (WHERE metric = 'lock_waits') FROM '{run}/samples.parquet' WHERE probe = 'mysql'"
    ).fetchall()
    assert verdict_of(run) == "VALID", text
    assert commits > 10
    assert waits is not None
    assert "streng-geheim" not in text
    for path in run.resolve().rglob("*"):
        assert not path.is_file() or b"streng-geheim" not in path.read_bytes(), path


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (IN_SQLITE.replace("FROM purchases", "FROM purchase"), "[final] rows: no such table: purchase; mend its sql, or have [prepare] make"),
        (IN_SQLITE.replace("who AS buyer", "whom AS buyer"), "[final] rows: no such column: whom; mend its sql"),
        (IN_SQLITE.replace("shop.db", "shops.db"), "[truth] url: SQLite does not answer (unable to open database file)"),
        (BY_COMMAND.replace("print.py", "prints.py", 1), "can't open file"),
        (IN_SQLITE.replace("SELECT pieces FROM shelf", "SELECT * FROM purchases"), "[final] left: expected one number, found nothing"),
    ],
)  # fmt: skip
def test_what_the_manifest_gets_wrong_is_one_line_before_anybody_buys(tmp_path: Path, more: str, said: str) -> None:
    run, text = sell(tmp_path, more, '"sqlite", "{scratch}/shop.db"')
    (line,) = [line for line in text.splitlines() if line.startswith("loadtest: ")]
    assert said in line
    assert "Traceback" not in text
    assert not (run / "verdict.json").exists()
    assert list((run / "history").glob("*.jsonl")) == []
