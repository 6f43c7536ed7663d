"""What is wrong in a manifest, or is called so elsewhere, is one line with what to write instead, before anything starts."""

from pathlib import Path

import pytest

from loadtest.errors import UsageError
from loadtest.experiment.files import load_experiment
from loadtest.experiment.schema import Experiment
from loadtest.experiment.sentences import keys
from loadtest.manifest.elsewhere import INSTEAD
from loadtest.manifest.shop import Shop
from loadtest.sale.beforehand.plan import plan
from loadtest.stack.external import Given

WHOLE = """
name = "mine"
[env]
URL = "{stack.postgres}"
[prepare]
command = ["{python}", "prepare.py"]
[[process]]
role = "api"
command = ["{python}", "app.py", "{port}"]
[http]
base_url = "http://127.0.0.1:{port}"
[[http.before]]
request = "POST /login"
form = { user = "{buyer}" }
expect = { status = 200, json = { code = 0 } }
capture = { token = "json:data.token" }
[[http.before]]
request = "GET /token"
headers = { Authorization = "Bearer {token}" }
[http.buy]
request = "POST /buy"
json = { user = "{buyer}" }
number = "json:data.id"
[[http.buy.outcomes]]
status = 200
json = { code = 0 }
is = "won"
[[http.buy.outcomes]]
matches = "sold.out"
is = "sold_out"
[http.status]
request = "GET /orders/{number}"
[[http.status.outcomes]]
json = { state = "done" }
is = "confirmed"
[queue]
kind = "redis_list"
name = "orders"
[final]
rows = { sql = "SELECT id AS number, buyer FROM orders" }
left = { redis_value = "stock" }
"""

WRONG = [
    # keys that are nearly right, at any depth, in lists of tables too
    ('name = "mine"', 'nmae = "mine"', ["unknown key 'nmae'", "nearest valid: 'name'"]),
    ("[prepare]", "[prepair]", ["unknown key 'prepair'", "nearest valid: 'prepare'"]),
    ('role = "api"', 'rol = "api"', ["unknown key 'process 1.rol'", "nearest valid: 'process.role'"]),
    ('request = "GET /token"', 'reqest = "GET /token"', ["unknown key 'http.before 2.reqest'", "'http.before.request'"]),
    ("status = 200, json = { code = 0 } }", "statu = 200 }", ["'http.before 1.expect.statu'", "'http.before.expect.status'"]),
    ('matches = "sold.out"', 'match = "sold.out"', ["'http.buy.outcomes 2.match'", "'http.buy.outcomes.matches'"]),
    ("[[http.status.outcomes]]", "[[http.status.outcome]]", ["'http.status.outcome'", "'http.status.outcomes'"]),
    ("left = {", "lefft = {", ["'final.lefft'", "nearest valid: 'final.left'"]),
    ("redis_value", "redis_valu", ["'final.left.redis_valu'", "nearest valid: 'final.left.redis_value'"]),
    ("[http]\n", '[http]\nnumber = "id"\n', ["unknown key 'http.number'", "'http.buy.number'"]),
    ('number = "json:data.id"', "zzzzzz = 1", ["'http.buy.zzzzzz'", "valid there: body, capture", "outcomes"][:1]),
    # keys of others
    ("[queue]", '[mongo]\nurl = "x"\n[queue]', ["'mongo': not supported; use [final] rows = { command"]),
    ("[queue]", '[kafka]\ntopic = "x"\n[queue]', ["'kafka': not supported; use [queue] kind = \"command\""]),
    ("[queue]", '[database]\nurl = "x"\n[queue]', ["'database': not supported; use [truth] url"]),
    ('request = "POST /buy"', 'method = "POST"', ["'http.buy.method': not supported; use request = \"POST /path\""]),
    ('request = "POST /buy"', 'url = "http://x"', ["'http.buy.url': not supported; use request", "base_url"]),
    ('request = "POST /buy"', 'request = "POST /buy"\nthinkTime = 3', ["thinkTime", "not supported; use nothing", "arrivals"]),
    ('request = "POST /login"', 'request = "POST /login"\nextract = {}', ["'http.before 1.extract': not supported; use capture"]),
    ("[http]\n", "[http]\ntimeout = 3\n", ["'http.timeout': not supported; use arrivals.timeout_s"]),
    ("json = { user =", "data = { user =", ["'http.buy.data': not supported; use json, form or text"]),
    ('role = "api"', 'role = "api"\ncwd = "/srv"', ["'process 1.cwd': not supported; use command", "{here}"]),
    ('role = "api"', 'role = "api"\nport = 80', ["'process 1.port': not supported; use {port}"]),
    ('name = "mine"', 'name = "mine"\nstock = 5', ["'stock': not supported; use stock of the experiment: --set stock"]),
    ('name = "mine"', 'name = "mine"\nusers = 5', ["'users': not supported; use [buyers] file"]),
    ("status = 200\n", "status_code = 200\n", ["status_code", "nearest valid", "status"][:1]),
    ('matches = "sold.out"', 'regex = "sold.out"', ["'http.buy.outcomes 2.regex': not supported; use matches"]),
    # values
    ('is = "won"', 'is = "success"', ["http.buy.outcomes 1.is = 'success'", "use won"]),
    ('is = "confirmed"', 'is = "won"', ["http.status.outcomes 1.is = 'won'", "use confirmed"]),
    ('is = "sold_out"', 'is = "gone"', ["http.buy.outcomes 2.is = 'gone'", "'sold_out'"]),
    ('"redis_list"', '"kafka"', ["queue.kind = 'kafka'", "not supported; use kind = \"command\""]),
    ('"POST /buy"', '"BUY /buy"', ["http.buy.request = 'BUY /buy'", "such as POST /sales/{sale}/orders"]),
    ('"GET /token"', '"/token"', ["http.before 2.request = '/token'", "method and path"]),
    ("127.0.0.1:{port}", "127.0.0.1:{port}/api", ["http.base_url", "without a path"]),
    ('["{python}", "prepare.py"]', '"python prepare.py"', ["prepare.command = 'python prepare.py'", "a list in square brackets"]),
    ('json = { user = "{buyer}" }', 'json = "x"', ["http.buy.json = 'x'", "a table"]),
    ('role = "api"', 'role = "api"\ncount = 2', ["process 1.count = 2", "a text in quotes"]),
    ("[http]\n", '[http]\ncookies = "yes"\n', ["http.cookies = 'yes'", "true or false"]),
    ("status = 200\n", "status = 20\n", ["http.buy.outcomes 1.status: 20", "such as 202"]),
    ("json = { code = 0 }\nis", "json = { code = [0] }\nis", ["http.buy.outcomes 1.json: 'code' = [0]", "a text, a number"]),
    ('"json:data.token"', '"jsn:data.token"', ["http.before 1.capture.token: 'jsn:data.token'", "nearest valid: 'json'"]),
    ('"json:data.id"', '"regex:id=.+"', ["http.buy.number: 'regex:id=.+'", "one group"]),
    ('"sold.out"', '"sold(out"', ["http.buy.outcomes 2.matches: 'sold(out'", "not a regular expression"]),
    ("capture = { token", "capture = { Token", ["http.before 1.capture", "'Token'"]),
    ("capture = { token", "capture = { buyer", ["http.before 1.capture: 'buyer' is a placeholder of its own"]),
    ("form = { user =", "text = 'x'\nform = { user =", ["http.before 1: 'POST /login'", "one of json, form and text"]),
    ('request = "POST /buy"\n', "", ["http.buy.request: required, and not there (method and path"]),
    ('sql = "SELECT id', 'redis_hash = "x", sql = "SELECT id', ["final.rows", "exactly one of"]),
    # placeholders
    ('user = "{buyer}" }\nnumber', 'user = "{username}" }\nnumber', ["http.buy.body", "{username}; use {buyer}"]),
    ('user = "{buyer}" }\nnumber', 'user = "{tokn}" }\nnumber', ["http.buy.body", "{tokn}; nearest valid: 'token'"]),
    ('user = "{buyer}" }\nnumber', 'user = "${buyer}" }\nnumber', ["http.buy.body", "${buyer} is how other tools write it; write {buyer}"]),
    ("/orders/{number}", "/orders/{{number}}", ["http.status.request", "write {number}"]),
    ("/orders/{number}", "/orders/{order_id}", ["http.status.request", "{order_id}; use {number}"]),
    ("Bearer {token}", "Bearer {access_token}", ["http.before 2.headers.Authorization", "nearest valid: 'token'"]),
    ('"POST /login"', '"POST /login?t={token}"', ["http.before 1.request", "no placeholder {token}"]),
    ("{stack.postgres}", "{database_url}", ["env.URL", "{database_url}; use {stack.postgres}"]),
    ('"app.py", "{port}"', '"app.py", "{prot}"', ["process api: command", "nearest valid: 'port'"]),
]  # fmt: skip


def told(tmp_path: Path, text: str) -> str:
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as error:
        plan(Experiment(shop=str(tmp_path / "mine.toml")), Given())
    return str(error.value)


@pytest.mark.parametrize(("old", "new", "parts"), WRONG, ids=[f"{n}" for n in range(1, len(WRONG) + 1)])
def test_it_is_one_line_that_says_what_to_write(tmp_path: Path, old: str, new: str, parts: list[str]) -> None:
    assert old in WHOLE
    line = told(tmp_path, WHOLE.replace(old, new, 1))
    assert "\n" not in line
    for part in parts:
        assert part in line, line


def test_the_manifest_that_these_are_made_of_is_right(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(WHOLE, encoding="utf-8")
    plan(Experiment(shop=str(tmp_path / "mine.toml")), Given())


def test_nothing_that_there_is_is_called_missing() -> None:
    valid = set(keys(Shop, lists=True))
    whole = [key for key in INSTEAD if "." in key and "=" not in key]
    assert [key for key in whole if key in valid] == []


@pytest.mark.parametrize(
    ("override", "part"),
    [
        ("users=5", "'users': not supported; use buyers"),
        ("duration=5", "not supported; use arrivals.for_s"),
        ("arrivals.ramp_up=5", "not supported; use arrivals.steps"),
        ("url=http://x", "not supported; use [http] base_url of the manifest"),
    ],
)
def test_an_experiment_has_its_own(override: str, part: str) -> None:
    with pytest.raises(UsageError) as error:
        load_experiment("rush", [override])
    assert part in str(error.value)
