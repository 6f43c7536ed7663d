"""A shop that is right, under manifests that are wrong, a line each: `loadtest check` names the mistake, and a sale blames nobody for it."""

import io
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from rich.console import Console

from loadtest.campaign.cells import WarmStack, warm_stack
from loadtest.errors import UsageError
from loadtest.experiment.files import load_experiment
from loadtest.rehearsal.small import small_experiment
from loadtest.rehearsal.story import rehearse
from loadtest.rehearsal.telling import Telling
from loadtest.sale.beforehand.plan import plan
from loadtest.stack import Services
from loadtest.stack.external import Given

BOUTIQUE = Path(__file__).parent / "boutique"
WHOLE = (BOUTIQUE / "shop.toml").read_text(encoding="utf-8")
ROWS = "SELECT id AS number, name AS buyer, created AS created_at FROM boutique_orders"
WON = '[[http.buy.outcomes]]\njson = { code = 0 }\nis = "won"\n\n'
SOLD_OUT = '[[http.buy.outcomes]]\njson = { code = 41000 }\nis = "sold_out"\n\n'
TWICE = '[[http.buy.outcomes]]\njson = { code = 40900 }\nis = "already_bought"\n\n'


class Broken(NamedTuple):
    """One manifest: what is replaced in the one that is right, and what `check` says."""

    old: str
    new: str
    said: tuple[str, ...]


BROKEN = {
    # requests
    "wrong_port": Broken('"http://127.0.0.1:{port}"', '"http://127.0.0.1:9"', ("✗ the shop is ready", "ready_url: expected 200 from http://127.0.0.1:9/, found no answer")),
    "wrong_warm": Broken('"GET /"', '"GET /home"', ("✗ GET /home", "HTTP 404", "mend [http] warm")),
    "wrong_path": Broken('"POST /orders"', '"POST /order"', ("✗ POST /order", "404, no rule", "no such page", "mend the path of request")),
    "wrong_body": Broken('json = { sku = "scarf" }', 'json = { item = "scarf" }', ("✗ POST /orders", "422, no rule", "sku: expected scarf", "compare its body")),
    "form_for_json": Broken('json = { sku = "scarf" }', 'form = { sku = "scarf" }', ("✗ POST /orders", "422, no rule", "compare its body")),
    "no_token": Broken('headers = { Authorization = "Bearer {token}" }\n', "", ("✗ POST /orders", "401, no rule", "log in first", "add the log-in as [[http.before]]")),
    # the log-in, and users
    "wrong_log_in": Broken('"POST /login"', '"POST /signin"', ("✗ POST /signin", "HTTP 404", "mend [[http.before]]")),
    "wrong_password": Broken("open sesame", "open barley", ("✗ POST /login", "expected json code = 0", "no such user, or another password", "mend [[http.before]]")),
    "unknown_users": Broken('id = "user-{n}"', 'id = "guest-{n}"', ("✗ POST /login", "no such user", "see that these users exist")),
    "wrong_capture": Broken('"json:data.token"', '"json:token"', ("✗ POST /login", "without 'json:token' in its answer", "mend [[http.before]]")),
    "users_missing": Broken('id = "user-{n}"', 'file = "users.csv"', ("buyers.file", "expected 5 users", "found 1")),
    "no_users_file": Broken('id = "user-{n}"', 'file = "nobody.csv"', ("buyers.file", "nobody.csv", "cannot be read")),
    # what answers mean
    "no_rule_for_won": Broken(WON, '[[http.buy.outcomes]]\nstatus = 201\nis = "won"\n\n', ("✗ POST /orders", "200, no rule", 'json = { code = 0 }, is = "won"')),
    "turned_round": Broken(WON + SOLD_OUT, WON.replace("won", "sold_out") + SOLD_OUT.replace("sold_out", "won"), ("✗ POST /orders", "200 → sold_out", "rule 1: json code = 0", "the wrong way round")),
    "no_rule_for_sold_out": Broken(SOLD_OUT, "", ("✗ POST /orders, one too late", "200, no rule", "nothing is left", 'json = { code = 41000 }, is = "sold_out"')),
    "no_rule_for_twice": Broken(TWICE, "", ("✗ POST /orders, again", "200, no rule", "one each", 'is = "already_bought"')),
    "all_won": Broken(WON, '[[http.buy.outcomes]]\nstatus = 200\nis = "won"\n\n', ("✗ a second purchase is told apart", "✗ POST /orders, one too late", "the same as with units left, and there is no row")),
    "all_won_unnumbered": Broken(
        'number = "json:data.id"\n\n' + WON, '\n[[http.buy.outcomes]]\nstatus = 200\nis = "won"\n\n',
        ("✗ GET /orders/{number}", "did not tell", "✗ a second purchase is told apart", "✗ POST /orders, one too late", "the same as with units left, and there is no row", 'is = "sold_out"'),
    ),
    "refused_is_sold_out": Broken('code = 41000 }\nis = "sold_out"', 'code = 41000 }\nis = "refused"', ("✗ POST /orders, one too late", "taken for refused", 'is = "sold_out"')),
    "wrong_number_field": Broken('"json:data.id"', '"json:data.number"', ("✗ POST /orders", "without 'json:data.number' in its answer", "mend number under [http.buy]")),
    "other_number": Broken('"json:data.id"', '"json:data.trace"', ("✗ the numbers told are in rows", "of which none is a row", "let number in [http.buy]")),
    # what became of it
    "wrong_status_path": Broken('"GET /orders/{number}"', '"GET /order/{number}"', ("✗ GET /order/{number}", "HTTP 404, no rule", "under [http.status] in the manifest")),
    "wrong_state_key": Broken('"data.state" = "placed"', '"data.status" = "placed"', ("✗ GET /orders/{number}", "HTTP 200, no rule", '"placed"', "under [http.status] in the manifest")),
    "wrong_state": Broken('"data.state" = "placed"', '"data.state" = "done"', ("✗ GET /orders/{number}", "HTTP 200, no rule", "under [http.status] in the manifest")),
    # what the stores have
    "wrong_table": Broken("FROM boutique_orders", "FROM boutique_order", ("✗ the shop is ready", "[final] rows", "boutique_order")),
    "another_table": Broken(ROWS, "SELECT id AS number, name AS buyer, created AS created_at FROM boutique_archive", ("✗ those who bought have rows", "there is no row at all", "reads the right table")),
    "wrong_column": Broken("name AS buyer", "username AS buyer", ("✗ the shop is ready", "[final] rows", "username")),
    "other_buyers": Broken("name AS buyer", "user_id AS buyer", ("✗ the buyers in rows are those who asked", "rows have such as 1, and those who asked are such as user-1", "AS buyer")),
    "other_ids": Broken("id AS number", "reference AS number", ("✗ the numbers told are in rows", "though there are rows, such as 1", "let number in [http.buy]")),
    "eight_hours_off": Broken("created AS created_at", "local AS created_at", ("✗ created_at is the time of this sale", "about +8 h", "AT TIME ZONE")),
    "rows_of_all_sales": Broken(ROWS, f"{ROWS} UNION ALL SELECT 'ord-' || n, 'old-' || n, now() - interval '1 day' FROM generate_series(1, 4) n", ("✗ [final] rows, before anybody buys", "4 are there already")),
    "wrong_left": Broken('"boutique:left"', '"boutique:remaining"', ("✗ [final] left, before anybody buys", "0, though 3 are for sale")),
    "wrong_kind_of_key": Broken('redis_value = "boutique:left"', 'redis_list = "boutique:left"', ("✗ the shop is ready", "[final] left")),
    "numbered": Broken("[final]\n", '[final]\nseeded = { pattern = "N-{n:04d}" }\n', ("✗ the numbers of rows were for sale", "seeded are such as N-0001", 'kind = "counted"')),
    # processes and queues
    "does_not_start": Broken('"serve", "{port}"', '"serv"', ("✗ the shop is ready", "api", "IndexError")),
    "never_ready": Broken('ready_url = "{base_url}/"\nready_s = 10', 'ready_url = "{base_url}/health"\nready_s = 1', ("✗ the shop is ready", "api: not ready after 1 s", "ready_url: expected 200 from", "/health, found 404")),
    "prepare_fails": Broken('"prepare", "{stock}", "{buyers}"', '"prepare", "{stock}"', ("✗ the shop is ready", "prepare ended with 1", "IndexError")),
    "wrong_queue": Broken('name = "boutique:orders"', 'name = "boutique:order"', ("✗ [queue], while the workers are held", "none waits in it", "[queue] name")),
    "wrong_entry_number": Broken('number = "json:id"', 'number = "json:name"', ("✗ the numbers in [queue]", "tell such as user-", "mend number under [queue]")),
}  # fmt: skip


# What only buyers can find out, by what a sale says of it; `check` says the same.
MEND_BUY = "mend the request of [http.buy] in the manifest, or say in [http.buy.outcomes] what such an answer means"
MEND_STEPS = (
    "mend [[http.before]] of the manifest: its request, what it expects and captures; and see that these users exist"
)
OTHER_NUMBERS = (
    "let number in [http.buy] (or [http.status]) of the manifest name the id that [final] rows selects AS number"
)
MEND_STATUS = "state, pending, confirmed and rejected under [http.status] in the manifest"
SALES = {
    "wrong_warm": "mend [http] warm of the manifest, or take it out",
    "wrong_path": MEND_BUY,
    "wrong_body": MEND_BUY,
    "form_for_json": MEND_BUY,
    "no_token": MEND_BUY,
    "wrong_log_in": MEND_STEPS,
    "wrong_password": MEND_STEPS,
    "unknown_users": MEND_STEPS,
    "wrong_capture": MEND_STEPS,
    "turned_round": "see whether the outcomes of [http.buy] in the manifest are the wrong way round",
    "no_rule_for_sold_out": "say in [http.buy.outcomes] of the manifest what it means",
    "no_rule_for_won": "name what a winner is answered won in [http.buy] outcomes of the manifest, or accepted where the decision comes later",
    "wrong_number_field": "mend number under [http.buy] in the manifest: where an answer has the id of the order; or take it out",
    "other_number": OTHER_NUMBERS,
    "other_ids": OTHER_NUMBERS,
    "wrong_status_path": MEND_STATUS,
    "wrong_state_key": MEND_STATUS,
    "wrong_state": MEND_STATUS,
    "another_table": "see whether [final] rows of the manifest reads the right table, and the rows of this sale",
    "other_buyers": "select what the manifest's {buyer} is AS buyer in [final] rows, of this sale alone",
    "rows_of_all_sales": "let [prepare] of the manifest take away the rows of earlier sales, or let [final] rows select those of this one",
    "eight_hours_off": "select it with its time zone in [final] rows of the manifest, such as created_at AT TIME ZONE 'UTC'",
    "numbered": 'where the shop makes its own ids, say [units] kind = "counted" and take out [final] seeded; else let both select the same id',
}


@pytest.fixture(scope="module")
def given(services: Services) -> Given:
    """Services for all of them."""
    return Given(postgres=services.postgres, redis=services.redis, brokers=(services.broker,))


def manifest(tmp_path: Path, broken: Broken) -> Path:
    """The broken manifest, beside a copy of the shop."""
    assert broken.old in WHOLE
    shutil.copy(BOUTIQUE / "shop.py", tmp_path)
    (tmp_path / "users.csv").write_text("name\nuser-1\n", encoding="utf-8")
    file = tmp_path / "shop.toml"
    file.write_text(WHOLE.replace(broken.old, broken.new, 1), encoding="utf-8")
    return file


def checked(file: Path, given: Given) -> tuple[bool, str]:
    """Whether it is sound, and what is said."""
    console = Console(file=io.StringIO(), width=160, markup=False, emoji=False, highlight=False)
    try:
        sound = rehearse(small_experiment(file, ()), given, Telling(console))
    except UsageError as error:
        return False, str(error)
    return sound, console.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", BROKEN)
def test_check_names_the_mistake(name: str, tmp_path: Path, given: Given) -> None:
    sound, text = checked(manifest(tmp_path, BROKEN[name]), given)
    assert not sound, text
    together = " ".join(text.split())
    assert [part for part in (*BROKEN[name].said, SALES.get(name, "")) if part not in together] == [], text
    assert "Traceback" not in text or name in ("does_not_start", "prepare_fails"), text


def test_the_manifest_that_these_are_made_of_is_sound(given: Given) -> None:
    sound, text = checked(BOUTIQUE / "shop.toml", given)
    assert sound, text


def test_there_are_enough_of_them() -> None:
    assert len(BROKEN) >= 25


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmStack]:
    """Services for all sales."""
    with warm_stack(Given(), tmp_path_factory.mktemp("broken"), ["pytest"]) as running:
        yield running


@pytest.mark.parametrize("name", SALES)
def test_a_sale_blames_nobody_and_says_the_same(name: str, tmp_path: Path, stack: WarmStack) -> None:
    file = manifest(tmp_path, BROKEN[name])
    small = [
        "stock=5",
        "buyers=20",
        "limiter.kind=none",
        "arrivals.poll_s=0.2",
        "drain.deadline_s=4",
        "drain.settle_s=0.2",
    ]
    verdict = stack.run(plan(load_experiment("rush", [f"shop={file}", *small]), Given()), tmp_path / "run")
    assert verdict.verdict == "UNKNOWN", verdict.doubts
    assert [check.name for check in verdict.checks if check.verdict == "INVALID"] == []
    assert SALES[name] in " ".join(doubt.remedy for doubt in verdict.doubts), verdict.doubts
