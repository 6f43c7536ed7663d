import json
from pathlib import Path
from typing import Any

import pytest

from loadtest.experiment.schema import Experiment
from loadtest.manifest.loading import load_shop
from loadtest.manifest.shop import Shop
from loadtest.record.run_dir import make_parts
from loadtest.sale.scope import write_scope

LEAST: dict[str, Any] = {
    "name": "least",
    "http": {"base_url": "http://127.0.0.1:1", "buy": {"request": "POST /buy", "outcomes": {"202": "accepted"}}},
    "final": {"rows": {"sql": "SELECT 1"}},
}


def scope(tmp_path: Path, shop: Shop, columns: frozenset[str] | None, **items: int) -> dict[str, Any]:
    run_dir = make_parts(tmp_path)
    write_scope(run_dir, shop, shop.final, items, columns)
    found: dict[str, Any] = json.loads(run_dir.scope.read_text(encoding="utf-8"))
    return found


def test_the_built_in_shop_declares_everything_but_what_counted_units_have(tmp_path: Path) -> None:
    shop, _ = load_shop(Experiment())
    found = scope(tmp_path, shop, frozenset({"number", "buyer", "created_at"}))
    assert (found["units"], found["items"]) == ("numbered", None)
    assert found["declared"] == [
        "seeded", "rows", "tokens", "claims", "rejected", "near_misses", "rows.buyer", "rows.created_at", "rows.number", "queue",
        "queue.entries", "status", "won", "number",
    ]  # fmt: skip


def test_the_least_shop_declares_its_rows(tmp_path: Path) -> None:
    found = scope(tmp_path, Shop.model_validate(LEAST), frozenset({"number"}))
    assert found == {"units": "counted", "items": None, "declared": ["rows", "rows.number"]}


def test_columns_that_nobody_could_look_at_are_asked_for(tmp_path: Path) -> None:
    found = scope(tmp_path, Shop.model_validate(LEAST), None)
    assert found["declared"] == ["rows", "rows.buyer", "rows.number"]


@pytest.mark.parametrize(
    ("more", "declared"),
    [
        ({"queue": {"name": "orders"}}, {"queue", "queue.entries"}),
        ({"queue": {"kind": "bullmq", "name": "orders"}}, {"queue"}),
        ({"queue": {"kind": "bullmq", "name": "orders", "number": "json:id"}}, {"queue", "queue.entries"}),
        ({"queue": {"kind": "command", "command": ["x"], "number": "json:id"}}, {"queue"}),
        ({"final": LEAST["final"] | {"left": {"redis_value": "x"}, "claims": {"redis_set": "x"}}}, {"left", "claims"}),
    ],
)
def test_what_is_added_is_declared(tmp_path: Path, more: dict[str, Any], declared: set[str]) -> None:
    found = scope(tmp_path, Shop.model_validate(LEAST | more), frozenset({"number"}), **{"sku-1": 3})
    assert set(found["declared"]) - {"rows", "rows.number"} == declared
    assert found["items"] == {"sku-1": 3}
