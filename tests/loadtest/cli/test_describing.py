"""The schema that editors hold a manifest and an experiment against: it takes what the harness takes, and refuses what it refuses."""

import copy
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from loadtest.cli.main import main
from loadtest.experiment.section import parse
from loadtest.manifest.shop import Shop

ROOT = Path(__file__).parent.parent.parent.parent
MANIFESTS = [ROOT / "target/shop.toml", ROOT / "tests/foreign/shop.toml", *sorted(ROOT.glob("examples/*/shop.toml"))]
EXPERIMENTS = [
    *sorted((ROOT / "scenarios/experiments").glob("*.toml")),
    ROOT / "tests/foreign/foreign.toml",
    *sorted(ROOT.glob("examples/*/sale.toml")),
]
GOOD: dict[str, Any] = {
    "name": "mine",
    "prepare": {"command": ["true"]},
    "http": {
        "base_url": "http://127.0.0.1:9",
        "before": [{"request": "POST /login", "form": {"user": "{buyer}"}, "capture": {"token": "json:token"}}],
        "buy": {
            "request": "POST /buy",
            "json": {"user": "{buyer}", "n": 1},
            "outcomes": [{"status": [200, 201], "json": {"code": 0}, "is": "won"}],
        },
    },
    "final": {"rows": {"sql": "SELECT 1"}},
}


def schema(kind: str) -> Draft202012Validator:
    done = CliRunner().invoke(main, ["schema", kind])
    assert done.exit_code == 0, done.output
    written = json.loads(done.stdout)
    Draft202012Validator.check_schema(written)
    return Draft202012Validator(written)


def wrong(kind: str, data: dict[str, Any]) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in schema(kind).iter_errors(data)]


def read(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def changed(path: str, value: Any) -> dict[str, Any]:
    """`GOOD` with one value set. ``None`` takes it away."""
    data = copy.deepcopy(GOOD)
    *tables, last = (int(part) if part.isdecimal() else part for part in path.split("."))
    inner: Any = data
    for table in tables:
        inner = inner.setdefault(table, {}) if isinstance(inner, dict) else inner[table]
    if value is None:
        del inner[last]
    else:
        inner[last] = value
    return data


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.parent.name)
def test_it_takes_every_manifest_that_there_is(path: Path) -> None:
    assert wrong("manifest", read(path)) == []


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_it_takes_every_experiment_that_there_is(path: Path) -> None:
    assert wrong("experiment", read(path)) == []


def test_a_manifest_is_what_it_is_about_where_nothing_is_said() -> None:
    assert json.loads(CliRunner().invoke(main, ["schema"]).stdout) == schema("manifest").schema


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("http.buy.outcomes", {"200": "won", "410": "sold_out"}),
        ("prepare", [{"command": ["a"]}, {"command": ["b"], "timeout_s": 5}]),
        ("http.buy.outcomes.0.status", 200),
        ("process", [{"role": "api", "command": ["x"]}]),
    ],
)
def test_both_forms_of_a_key_are_taken(path: str, value: Any) -> None:
    assert wrong("manifest", GOOD) == []
    assert wrong("manifest", changed(path, value)) == []
    parse(Shop, changed(path, value), "shop.toml")


def test_a_body_may_be_called_either() -> None:
    data = changed("http.buy.json", None)
    data["http"]["buy"]["body"] = {"user": "{buyer}"}
    assert wrong("manifest", data) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("nmae", "x"),
        ("name", None),
        ("http.base_url", "127.0.0.1:8000"),
        ("http.buy.request", "BUY /x"),
        ("http.buy.form", {"user": "{buyer}"}),
        ("http.buy.body", {"user": "{buyer}"}),
        ("http.buy.outcomes", {"200": "one"}),
        ("http.buy.outcomes", {"2xx": "won"}),
        ("http.buy.outcomes.0.is", "confirmed"),
        ("http.buy.outcomes.0.status", 99),
        ("http.buy.outcomes.0.json", {"code": [0]}),
        ("http.before.0.at", "after"),
        ("http.before.0.capture", {"Token": "json:token"}),
        ("process", [{"role": "api"}]),
        ("prepare", {"command": "make db"}),
        ("final.rows", {"sql": "SELECT 1", "redis_hash": "x"}),
        ("final.rows", {}),
        ("queue", {"kind": "kafka", "name": "orders"}),
        ("units", {"kind": "some"}),
    ],
)
def test_what_is_wrong_is_refused(path: str, value: Any) -> None:
    assert len(wrong("manifest", changed(path, value))) >= 1


@pytest.mark.parametrize(
    "data",
    [
        {"stok": 1},
        {"stock": 0},
        {"stock": "10"},
        {"arrivals": {"kind": "hred"}},
        {"limiter": {"rate": 3}},
        {"faults": [{}]},
    ],
    ids=str,
)
def test_a_wrong_experiment_is_refused(data: dict[str, Any]) -> None:
    assert len(wrong("experiment", data)) >= 1


@pytest.mark.parametrize("kind", ["manifest", "experiment"])
def test_every_key_is_described(kind: str) -> None:
    whole = schema(kind).schema
    tables = {"": whole, **whole["$defs"]}
    bare = [
        f"{name}.{key}"
        for name, table in tables.items()
        for key, field in table["properties"].items()
        if not field.get("description")
    ]
    assert bare == []


@pytest.mark.parametrize("kind", ["manifest", "experiment"])
def test_no_key_may_be_null_which_toml_has_none_of(kind: str) -> None:
    assert "null" not in json.dumps(schema(kind).schema)


def test_it_is_called_by_the_names_that_users_write() -> None:
    definitions = schema("manifest").schema["$defs"]
    assert {"is", "json"} <= set(definitions["BuyRule"]["properties"])
    assert not {"outcome", "in_json"} & set(definitions["BuyRule"]["properties"])


def test_an_unknown_kind_is_told() -> None:
    done = CliRunner().invoke(main, ["schema", "manifst"])
    assert done.exit_code == 2
    assert "'manifest', 'experiment'" in done.stderr
