from pathlib import Path

import pytest

from loadtest.errors import UsageError
from loadtest.experiment.files import load_experiment
from loadtest.experiment.schema import Experiment
from loadtest.manifest.loading import load_shop

MINIMAL = """
name = "mine"
[http]
base_url = "http://127.0.0.1:9"
warm = { request = "GET /" }
[http.buy]
request = "POST /buy"
outcomes = { 200 = "won", 410 = "sold_out" }
[final]
seeded = { redis_list = "numbers" }
rows = { sql = "SELECT number, buyer, created_at FROM orders" }
"""


def experiment_with(tmp_path: Path, text: str) -> Experiment:
    file = tmp_path / "shop.toml"
    file.write_text(text, encoding="utf-8")
    return Experiment(shop=str(file))


def test_a_shop_that_is_already_running_needs_only_addresses_and_sources(tmp_path: Path) -> None:
    shop, _ = load_shop(experiment_with(tmp_path, MINIMAL))
    assert shop.process == ()
    assert shop.final_for("whatever").tokens is None


def test_a_scheme_may_keep_a_set_elsewhere() -> None:
    shop, _ = load_shop(load_experiment("rush"))
    tokens, naive = shop.final_for("tokens").tokens, shop.final_for("naive").tokens
    assert tokens is not None
    assert tokens.redis_list == "{sale}:tokens"
    assert naive is not None
    assert naive.sql is not None


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("[http.buy]", "[http.bye]", ["unknown key 'http.bye'"]),
        ('"POST /buy"', '"BUY /buy"', ["http.buy.request = 'BUY /buy'"]),
        ('200 = "won"', '200 = "one"', ["'one'", "'won'"]),
        ('{ redis_list = "numbers" }', '{ redis_list = "n", sql = "x" }', ["final.seeded", "exactly one of"]),
        ('name = "mine"', "", ["name: required"]),
        ("http://127.0.0.1:9", "ftp://x", ["http.base_url = 'ftp://x'"]),
    ],
)
def test_a_wrong_manifest_is_one_clear_line(tmp_path: Path, old: str, new: str, parts: list[str]) -> None:
    with pytest.raises(UsageError) as error:
        load_shop(experiment_with(tmp_path, MINIMAL.replace(old, new)))
    assert "\n" not in str(error.value)
    for part in ["shop.toml", *parts]:
        assert part in str(error.value)


def test_a_scheme_that_the_shop_does_not_offer_is_refused() -> None:
    with pytest.raises(UsageError, match="nearest valid: 'tokens'"):
        load_shop(load_experiment("rush", ["scheme=token"]))


def test_a_dispatch_that_the_scheme_does_not_offer_is_refused() -> None:
    with pytest.raises(UsageError, match="'naive' offers inline"):
        load_shop(load_experiment("rush", ["scheme=naive"]))


def test_who_asks_for_another_dispatch_is_told_why_not() -> None:
    with pytest.raises(
        UsageError, match=r"offers inline \(its stock is decided in the database, .*\); set dispatch to that"
    ):
        load_shop(load_experiment("rush", ["scheme=row_lock"]))


def test_a_missing_manifest_is_refused() -> None:
    with pytest.raises(UsageError, match="no such file"):
        load_shop(Experiment(shop="nowhere.toml"))
