from pathlib import Path

import pytest

from loadtest.errors import UsageError
from loadtest.experiment.schema import Experiment
from loadtest.manifest.loading import load_shop
from loadtest.manifest.placeholders import bindings, check_loosely
from loadtest.sale.beforehand.plan import plan
from loadtest.stack.external import Given

WHOLE = """
name = "mine"
[http]
base_url = "http://127.0.0.1:9"
warm = { request = "GET /sales/{sale}" }
[http.buy]
request = "POST /sales/{sale}/buy?by={buyer}"
body = { user = "{buyer}", query = "mutation { buy { id } }", tags = [{ a = "{sale}" }, 1] }
headers = { Authorization = "Token {buyer}" }
outcomes = { 200 = "won", 410 = "sold_out" }
[http.status]
request = "GET /orders/{number}?by={buyer}"
[queue]
name = "orders"
number = "kwargs.number"
[final]
seeded = { pattern = "{sale}-{n:06d}" }
rows = { sql = "SELECT number::text, buyer, created_at FROM orders WHERE sale = :sale AND n <= :stock AND at > '12:30'" }
tokens = { redis_list = "{sale}:tokens" }
[schemes.tokens.final]
claims = { redis_hash = "{sale}:claims" }
"""


def loaded(tmp_path: Path, old: str = "", new: str = "") -> Experiment:
    """An experiment with that manifest, of which `old` is replaced by `new`."""
    assert old in WHOLE
    file = tmp_path / "mine.toml"
    file.write_text(WHOLE.replace(old, new) if old else WHOLE, encoding="utf-8")
    return Experiment(shop=str(file))


def test_every_placeholder_that_there_is_is_taken(tmp_path: Path) -> None:
    load_shop(loaded(tmp_path))


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        # requests: paths, headers, bodies however deep
        ("GET /sales/{sale}", "GET /sales/{sail}", ["http.warm.request", "{sail}", "nearest valid: 'sale'"]),
        ("GET /sales/{sale}", "GET /sales/{number}", ["http.warm.request", "{number}"]),
        ("buy?by={buyer}", "buy?by={Buyer}", ["http.buy.request", "{Buyer}", "nearest valid: 'buyer'"]),
        ("Token {buyer}", "Token {buyer-id}", ["http.buy.headers.Authorization", "nearest valid: 'buyer'"]),
        ("user = \"{buyer}\"", "user = \"{user}\"", ["http.buy.body", "{user}"]),
        ("user = \"{buyer}\"", "user = \"{BUYER}\"", ["http.buy.body", "{BUYER}", "nearest valid: 'buyer'"]),
        ("a = \"{sale}\"", "a = \"{order.number}\"", ["http.buy.body", "{order.number}"]),
        ("/orders/{number}", "/orders/{numbr}", ["http.status.request", "nearest valid: 'number'"]),
        ("/orders/{number}", "/orders/{order id}", ["http.status.request", "{order id}"]),
        # outcomes: names and statuses
        ("410 = \"sold_out\"", "410 = \"soldout\"", ["410 = 'soldout'", "nearest valid: 'sold_out'"]),
        ("410 = \"sold_out\"", "410 = \"lost\"", ["410 = 'lost'", "valid: accepted, already_bought"]),
        ("410 = \"sold_out\"", "4100 = \"sold_out\"", ["an HTTP answer", "'4100'"]),
        ("410 = \"sold_out\"", "4xx = \"sold_out\"", ["an HTTP answer", "'4xx'"]),
        ("410 = \"sold_out\"", "100 = \"sold_out\"", ["an HTTP answer", "'100'"]),
        ("200 = \"won\", ", "", ["no answer means 'won'"]),
        # final reads: binds, keys, patterns
        (":stock", ":stok", ["final.rows.sql", "no bound parameter :stok", "nearest valid: ':stock'"]),
        ("sale = :sale", "sale = :event", ["final.rows.sql", ":event", "valid: :sale, :stock"]),
        ("sale = :sale", "sale = '{sale}'", ["final.rows.sql", "write :sale"]),
        ("{sale}:tokens", "{Sale}:tokens", ["final.tokens.redis_list", "nearest valid: 'sale'"]),
        ("{sale}:claims", "{stock}:claims", ["schemes.tokens.final.claims.redis_hash", "{stock}"]),
        ("{sale}-{n:06d}", "{sale}-{i:06d}", ["final.seeded.pattern", "{sale}-{n:06d}"]),
        ("{sale}-{n:06d}", "{sale}", ["final.seeded.pattern", "every number would be"]),
        ("{sale}-{n:06d}", "{sale}-{n", ["final.seeded.pattern"]),
        # sets and where they may be read
        ("claims = {", "clams = {", ["schemes.tokens.final.clams", "nearest valid: 'claims'"]),
        ("redis_list = \"{sale}:tokens\"", "redis_value = \"left\"", ["final.tokens", "expected one of sql, command, redis_list", "only how many"]),
        ("redis_hash = \"{sale}:claims\"", "redis_value = \"n\"", ["schemes.tokens.final.claims", "expected one of"]),
        ("redis_list = \"{sale}:tokens\"", "redis_stream = \"x\"", ["final.tokens.redis_stream", "nearest valid: 'final.tokens.redis_"]),
        ("seeded = { pattern = \"{sale}-{n:06d}\" }", "seeded = { redis_value = \"stock\" }", ["final.seeded", "expected one of"]),
        # the queue
        ("name = \"orders\"", "name = \"{sale}-orders\"", ["queue.name", "without placeholders"]),
        ("kwargs.number", "number", ["queue.number", "args.N or kwargs.NAME"]),
    ],
)  # fmt: skip
def test_a_wrong_name_in_a_manifest_is_one_line_before_anything_starts(
    tmp_path: Path, old: str, new: str, parts: list[str]
) -> None:
    with pytest.raises(UsageError) as error:
        plan(loaded(tmp_path, old, new), Given())
    assert "\n" not in str(error.value)
    for part in ["mine.toml", *parts]:
        assert part in str(error.value)


def test_a_rejection_without_its_buyer_is_refused(tmp_path: Path) -> None:
    experiment = loaded(tmp_path, "tokens = {", 'rejected = { redis_set = "gone" }\ntokens = {')
    with pytest.raises(UsageError, match="with its buyer"):
        load_shop(experiment)


@pytest.mark.parametrize(
    "body",
    ["query { sale { id } }", "{ buyer }", "{}", "a {b} c {", '{"a": 1}'],
)
def test_braces_that_a_shop_itself_uses_are_left_alone_in_bodies(body: str) -> None:
    if body == "a {b} c {":
        with pytest.raises(UsageError):  # it would be filled
            check_loosely(body, ("sale", "buyer"), "body")
    else:
        check_loosely(body, ("sale", "buyer"), "body")


def test_what_is_no_bound_parameter() -> None:
    assert bindings(r"SELECT a::text, '12:30', '\:no', x[1:2] FROM t WHERE s = :sale AND n<:stock") == {"sale", "stock"}
