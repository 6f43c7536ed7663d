"""An OpenAPI document, as a manifest: the purchase, the log-in and the question after an order are found, references followed."""

import json
import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from loadtest.drafting.draft import marks_in, written
from loadtest.drafting.openapi import draft_of
from loadtest.errors import UsageError
from loadtest.experiment.section import parse
from loadtest.manifest.marks import MARK
from loadtest.manifest.shop import Shop
from tests.loadtest.drafting.recordings import CODE_JWT_API, COUNTER_API, DJANGO_API, NODE_API


def made(tmp_path: Path, document: str) -> tuple[dict[str, Any], str]:
    file = tmp_path / "openapi.json"
    file.write_text(document, encoding="utf-8")
    text = written(draft_of(str(file)), "mine")
    assert marks_in(text) <= 5
    return tomllib.loads(text), text


def test_a_counter(tmp_path: Path) -> None:
    manifest, _ = made(tmp_path, COUNTER_API)
    buy = manifest["http"]["buy"]
    assert (buy["request"], buy["json"]) == ("POST /buy", {"name": "{buyer}"})
    assert "before" not in manifest["http"]


def test_codes_and_tokens(tmp_path: Path) -> None:
    manifest, _ = made(tmp_path, CODE_JWT_API)
    log_in, path = manifest["http"]["before"]
    assert log_in["request"] == "POST /login/do_login"
    assert log_in["form"]["mobile"] == "{buyer}"
    assert log_in["capture"] == {"token": f"json:{MARK}"}
    assert (path["at"], path["capture"]) == ("click", {"path": "json:data"})
    buy = manifest["http"]["buy"]
    assert buy["request"] == "POST /seckill/{path}/do_seckill"
    assert buy["headers"] == {"authorization": "Bearer {token}"}
    assert buy["form"] == {"goods": "1"}


def test_a_queue_of_node_says_it_all_but_the_rows(tmp_path: Path) -> None:
    manifest, text = made(tmp_path, NODE_API)
    assert manifest["http"]["base_url"] == "http://127.0.0.1:3000"
    buy, status = manifest["http"]["buy"], manifest["http"]["status"]
    assert buy["request"] == "POST /api/orders"
    assert buy["headers"] == {"X-User-Id": "{buyer}"}
    assert buy["number"] == "json:orderId"
    assert "before" not in manifest["http"]
    assert [(rule["status"], rule["is"]) for rule in buy["outcomes"]] == [
        (410, "sold_out"), (409, "already_bought"), (429, "throttled"), (202, "won"),
    ]  # fmt: skip
    assert (status["request"], status["state"]) == ("GET /api/orders/{number}", "state")
    assert marks_in(text) == 1


def test_a_session_is_a_log_in(tmp_path: Path) -> None:
    manifest, _ = made(tmp_path, DJANGO_API)
    assert manifest["http"]["cookies"] is True
    assert [step["request"] for step in manifest["http"]["before"]] == [f"GET /{MARK}", "POST /accounts/login/"]
    assert manifest["http"]["buy"]["headers"] == {"X-CSRFToken": "{csrf}"}
    assert manifest["http"]["buy"]["number"] == "json:number"
    assert manifest["http"]["buy"]["capture"] == {"task": "json:task"}
    assert manifest["http"]["status"]["request"] == "GET /tickets/orders/{task}/"


@pytest.mark.parametrize("document", [COUNTER_API, CODE_JWT_API, NODE_API, DJANGO_API])
def test_what_is_filled_in_is_a_manifest(tmp_path: Path, document: str) -> None:
    _, text = made(tmp_path, document)
    filled = text.replace(f'is = "{MARK}"', 'is = "won"').replace(MARK, "x")
    parse(Shop, tomllib.loads(filled), "shop.toml")


@pytest.fixture
def served() -> Iterator[str]:
    """The address at which a shop has its document."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(COUNTER_API.encode())

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_it_may_be_asked_of_a_shop_that_runs_here(served: str) -> None:
    draft = draft_of(f"{served}/openapi.json")
    assert (draft.base_url, draft.buy.request) == (served, "POST /buy")


@pytest.mark.parametrize(
    ("document", "part"),
    [
        ("openapi: 3.0.0\npaths: {}\n", "expected JSON; a document in YAML"),
        ("[]", "expected an OpenAPI document"),
        ("{}", "expected an OpenAPI document"),
        (json.dumps({"paths": {}}), "no operation looks like a purchase"),
        (json.dumps({"paths": {"/pets": {"post": {}}}}), "found POST /pets"),
        (json.dumps({"paths": {"/login": {"post": {}}}}), "no operation looks like a purchase"),
    ],
)
def test_what_has_no_purchase_is_one_line(tmp_path: Path, document: str, part: str) -> None:
    with pytest.raises(UsageError) as error:
        made(tmp_path, document)
    assert part in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("source", "part"),
    [
        ("none.json", "cannot be read: No such file"),
        ("http://example.com/openapi.json", "expected a shop on this machine"),
        ("https://10.0.0.1/openapi.json", "expected a shop on this machine"),
        ("http://127.0.0.1:1/openapi.json", "is the shop running?"),
    ],
)
def test_a_document_that_cannot_be_read_is_one_line(source: str, part: str) -> None:
    with pytest.raises(UsageError) as error:
        draft_of(source)
    assert part in str(error.value)
    assert "\n" not in str(error.value)


def test_references_that_go_in_circles_end(tmp_path: Path) -> None:
    looped = {"$ref": "#/components/schemas/Order"}
    document = {
        "paths": {"/orders": {"post": {"requestBody": {"content": {"application/json": {"schema": looped}}}}}},
        "components": {
            "schemas": {
                "Order": {
                    "type": "object",
                    "properties": {
                        "user": {"type": "string"},
                        "next": looped,
                        "all": {"type": "array", "items": looped},
                    },
                }
            }
        },
    }
    manifest, _ = made(tmp_path, json.dumps(document))
    assert manifest["http"]["buy"]["json"]["user"] == "{buyer}"
