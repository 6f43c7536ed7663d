"""A recording of the browser: the log-in, the purchase and the poll are found, and what one answer hands to a later request."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from loadtest.drafting.draft import marks_in, written
from loadtest.drafting.har import draft_of
from loadtest.errors import UsageError
from loadtest.manifest.marks import MARK
from tests.loadtest.drafting.recordings import CODE_JWT, COUNTER, DJANGO, NODE, entry, har


def made(tmp_path: Path, entries: list[dict[str, Any]]) -> tuple[dict[str, Any], str]:
    file = tmp_path / "shop.har"
    file.write_text(har(entries), encoding="utf-8")
    text = written(draft_of(file), "mine")
    assert "geheim" not in text
    assert marks_in(text) <= 5
    return tomllib.loads(text), text


def test_codes_and_tokens(tmp_path: Path) -> None:
    """The token, the hidden path, the poll that answers 0 and then an id, and everybody is only accepted."""
    manifest, _ = made(tmp_path, CODE_JWT)
    log_in, path = manifest["http"]["before"]
    assert log_in["request"] == "POST /login/do_login"
    assert log_in["form"] == {"mobile": "{buyer}", "password": MARK}
    assert log_in["expect"] == {"json": {"code": 0}}
    assert log_in["capture"] == {"token": "json:data.token"}
    assert path["request"] == "GET /seckill/path?goods=1"
    assert (path["at"], path["capture"]) == ("click", {"path": "json:data"})
    assert path["headers"] == {"Authorization": "Bearer {token}"}
    buy = manifest["http"]["buy"]
    assert buy["request"] == "POST /seckill/{path}/do_seckill"
    assert buy["headers"] == {"Authorization": "Bearer {token}"}
    assert [(rule.get("json"), rule["is"]) for rule in buy["outcomes"]] == [
        ({"code": 500502}, "already_bought"), (None, "sold_out"), ({"code": 0}, "accepted"),
    ]  # fmt: skip
    status = manifest["http"]["status"]
    assert status["request"] == "GET /seckill/result?goods=1"
    assert [(rule["json"], rule["is"]) for rule in status["outcomes"]] == [
        ({"data": 0}, "pending"), ({"data": -1}, "rejected"), ({"code": 0}, "confirmed"),
    ]  # fmt: skip
    assert status["outcomes"][-1]["number"] == "json:data"


def test_djangos_own_log_in(tmp_path: Path) -> None:
    manifest, _ = made(tmp_path, DJANGO)
    page, log_in = manifest["http"]["before"]
    assert page["request"] == "GET /accounts/login/"
    assert page["capture"]["csrf"].startswith(("cookie:csrftoken", "regex:"))
    assert log_in["form"] == {"username": "{buyer}", "password": MARK, "csrfmiddlewaretoken": "{csrf}"}
    assert log_in["expect"] == {"status": 302}
    assert log_in["capture"] == {"csrf": "cookie:csrftoken"}
    buy = manifest["http"]["buy"]
    assert buy["headers"] == {"X-CSRFToken": "{csrf}"}
    assert buy["number"] == "json:number"
    assert buy["capture"] == {"task": "json:task"}
    assert manifest["http"]["status"]["request"] == "GET /tickets/orders/{task}/"
    assert manifest["http"]["cookies"] is True
    assert [(rule.get("status"), rule["is"]) for rule in buy["outcomes"]][-1] == (202, "won")


def test_a_counter(tmp_path: Path) -> None:
    manifest, text = made(tmp_path, COUNTER)
    buy = manifest["http"]["buy"]
    assert "before" not in manifest["http"]
    assert buy["json"] == {"name": "{buyer}", "size": 42}
    assert buy["number"] == "json:order_id"
    assert [(rule.get("json"), rule["is"]) for rule in buy["outcomes"]] == [
        ({"success": False}, "sold_out"), (None, "already_bought"), ({"success": True}, "won"),
    ]  # fmt: skip
    assert marks_in(text) == 1


def test_a_queue_of_node(tmp_path: Path) -> None:
    manifest, _ = made(tmp_path, NODE)
    buy = manifest["http"]["buy"]
    assert buy["headers"] == {"X-User-Id": "{buyer}"}
    assert buy["number"] == "json:orderId"
    assert manifest["http"]["status"]["request"] == "GET /api/orders/{number}"
    assert [(rule["json"], rule["is"]) for rule in manifest["http"]["status"]["outcomes"]] == [
        ({"state": "queued"}, "pending"), ({"state": "confirmed"}, "confirmed"),
    ]  # fmt: skip
    assert [rule["is"] for rule in buy["outcomes"]] == ["already_bought", "sold_out", "won"]


def test_the_location_may_name_the_order(tmp_path: Path) -> None:
    manifest, _ = made(
        tmp_path,
        [
            entry("POST", "/orders", data='{"user": "ann"}', answer=(201, {}, {"Location": "/orders/77812"})),
            entry("GET", "/orders/77812", answer=(200, {"status": "done"})),
        ],
    )
    assert manifest["http"]["buy"]["number"].startswith("header:Location")


def test_pictures_and_scripts_are_no_part_of_it(tmp_path: Path) -> None:
    picture = entry("GET", "/logo.png", answer=(200, "", {}))
    picture["response"]["content"]["mimeType"] = "image/png"
    assert made(tmp_path, [picture, *COUNTER])[0] == made(tmp_path, COUNTER)[0]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("{}", "expected a HAR"),
        ("[1]", "expected a HAR"),
        ("not json", "expected a HAR"),
        (har([entry("GET", "/", answer=(200, {}))]), "no request in it looks like a purchase"),
        (har([entry("POST", "/login", data="user=a&password=b", answer=(200, {}))]), "found POST /login"),
    ],
)
def test_what_is_no_recording_of_a_purchase_is_one_line(tmp_path: Path, text: str, part: str) -> None:
    file = tmp_path / "x.har"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as error:
        draft_of(file)
    assert part in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        draft_of(tmp_path / "none.har")


def test_the_recordings_are_what_browsers_write() -> None:
    assert json.loads(har(COUNTER))["log"]["entries"][0]["request"]["url"].startswith("http://")
