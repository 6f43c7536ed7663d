"""What an answer means: the first rule that matches, on status, headers, JSON, text."""

import json
from typing import Any

import pytest

from loadtest.manifest.http import Buy, Http, Status, Step
from loadtest.talk import heard as module
from loadtest.talk.heard import Response
from loadtest.talk.reading import BuyReader, Reading, StatusReader, StepReader, needs_headers


def buy(outcomes: Any, **more: Any) -> BuyReader:
    return BuyReader(Buy.model_validate({"request": "POST /buy", "outcomes": outcomes, **more}))


def answer(status: int = 200, content: Any = None, **headers: str) -> Response:
    body = content if isinstance(content, bytes) else json.dumps(content).encode() if content is not None else b""
    return Response(
        status, body, tuple((name.replace("_", "-").encode(), value.encode()) for name, value in headers.items())
    )


WON = {"status": 202, "is": "won"}


def test_the_status_alone() -> None:
    read = buy({"202": "won", "410": "sold_out", "422": "refused", "503": "unknown"}).read
    assert Reading("won", rule=0) == read(answer(202), "b-1")
    assert Reading("sold_out", rule=1) == read(answer(410, b"<html>"), "b-1")
    assert Reading("refused", None, "HTTP 422", 2) == read(answer(422), "b-1")
    assert Reading("unknown", None, "HTTP 503", 3) == read(answer(503), "b-1")
    assert Reading("unknown", None, "HTTP 418, no rule") == read(answer(418), "b-1")


@pytest.mark.parametrize(
    ("condition", "content", "matches"),
    [
        ({"json": {"code": "0"}}, {"code": 0}, True),
        ({"json": {"code": "0"}}, {"code": "0"}, True),
        ({"json": {"code": "0"}}, {"code": False}, False),
        ({"json": {"code": 0}}, {"code": 0}, True),
        ({"json": {"code": 0}}, {"code": "0"}, False),
        ({"json": {"code": 0}}, {"code": False}, False),
        ({"json": {"ok": True}}, {"ok": True}, True),
        ({"json": {"ok": True}}, {"ok": 1}, False),
        ({"json": {"ok": "true"}}, {"ok": True}, True),
        ({"json": {"data": "null"}}, {"data": None}, True),
        ({"json": {"data": "null"}}, {}, False),
        ({"json": {"data.0.state": "done"}}, {"data": [{"state": "done"}]}, True),
        ({"json": {"data.1.state": "done"}}, {"data": [{"state": "done"}]}, False),
        ({"json": {"a": 1, "b": 2}}, {"a": 1, "b": 3}, False),
        ({"json": {"$": -1}}, -1, True),
        ({"json": {"a": 1}}, b"<html>", False),
        ({"contains": "售完"}, "商品已售完", True),
        ({"contains": "售完"}, "商品已售完".encode(), True),
        ({"contains": "sold out"}, b"<b>Sold out</b>", False),
        ({"matches": "(?i)sold +out"}, b"<b>Sold  out</b>", True),
        ({"matches": "^sold"}, b"\xff\xfe", False),
    ],
)
def test_a_condition_on_the_body(condition: dict[str, Any], content: Any, matches: bool) -> None:
    read = buy([{"status": 200, "is": "won", **condition}, {"status": [200, 201], "is": "sold_out"}]).read
    assert ("won" if matches else "sold_out") == read(answer(200, content), "b-1").outcome
    assert "sold_out" == read(answer(201, content), "b-1").outcome


def test_a_condition_on_a_header() -> None:
    read = buy([{"header": {"Location": "/queue"}, "is": "accepted"}, {"status": 302, "is": "sold_out"}]).read
    assert "accepted" == read(answer(302, location="http://x/queue/1"), "b-1").outcome
    assert "sold_out" == read(answer(302, location="/"), "b-1").outcome
    assert "sold_out" == read(answer(302), "b-1").outcome


def test_the_first_rule_that_matches_decides() -> None:
    rules = [
        {"status": 200, "json": {"code": 0}, "is": "won"},
        {"status": 200, "is": "sold_out"},
        {"json": {"code": 7}, "is": "throttled"},
    ]
    read = buy(rules).read
    assert [0, 1, 2, None] == [
        read(answer(*told), "b-1").rule
        for told in [(200, {"code": 0}), (200, {"code": 7}), (500, {"code": 7}), (500, {"code": 0})]
    ]


@pytest.mark.parametrize(
    ("place", "told", "number"),
    [
        ("number", answer(202, {"number": 17}), "17"),
        ("json:data.id", answer(202, {"data": {"id": "o-1"}}), "o-1"),
        ("header:Location", answer(202, location="/orders/7"), "/orders/7"),
        ("header:Location:/orders/(\\d+)", answer(202, location="http://shop/orders/7?x=1"), "7"),
        ("regex:order #(\\w+)", answer(202, b"<p>order #A7</p>"), "A7"),
        ("buyer", answer(202), "b-1"),
    ],
)
def test_where_the_number_is(place: str, told: Response, number: str) -> None:
    assert Reading("won", number, None, 0) == buy([WON], number=place).read(told, "b-1")
    own = buy([{**WON, "number": place}], number="json:nowhere") if place != "buyer" else buy([WON], number=place)
    assert number == own.read(told, "b-1").number


@pytest.mark.parametrize(
    "content", [None, {"number": None}, {"number": " "}, {"number": True}, b"<html>", {"number": {}}]
)
def test_a_win_without_its_number_is_a_win_with_an_error(content: Any) -> None:
    assert Reading("won", None, "HTTP 202 without 'number' in its answer", 0) == buy([WON], number="number").read(
        answer(202, content), "b-1"
    )


def test_who_is_accepted_may_have_no_number_yet_and_a_task_to_ask_after() -> None:
    read = buy([{"status": 202, "is": "accepted"}], number="json:id", capture={"task": "json:task"}).read
    assert Reading("accepted", None, None, 0, {"task": 7}) == read(answer(202, {"task": 7}), "b-1")
    assert Reading("accepted", "5", None, 0, {}) == read(answer(202, {"id": 5}), "b-1")


def test_a_body_is_parsed_at_most_once_and_only_where_a_rule_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    parsings: list[bytes] = []
    parse = module.parsed
    monkeypatch.setattr(module, "parsed", lambda body: parsings.append(body) or parse(body))
    plain = buy({"202": "won", "410": "sold_out"}).read
    for status in (202, 410, 500):
        plain(answer(status, {"a": 1}), "b-1")
    assert not parsings
    ruled = buy([{"json": {"a": n}, "is": "won", "number": "json:b"} for n in range(5)], capture={"c": "json:c"}).read
    assert Reading("won", "x", None, 4, {"c": 1.5}) == ruled(answer(200, {"a": 4, "b": "x", "c": 1.5}), "b-1")
    assert 1 == len(parsings)


def status(**settings: Any) -> StatusReader:
    return StatusReader(Status.model_validate({"request": "GET /status", **settings}))


def test_states_in_the_short_form() -> None:
    read = status(pending=["queued", "0"], confirmed=["done"]).read
    assert ["pending", "pending", "confirmed", "rejected"] == [
        read(answer(200, {"status": state})).outcome for state in ("queued", 0, "done", "rejected")
    ]
    assert Reading("unknown", None, "HTTP 200, status 'lost'") == read(answer(200, {"status": "lost"}))
    assert Reading("unknown", None, "HTTP 404, status None") == read(answer(404, {"status": "done"}))


def test_states_by_rules_with_a_number_first_told_there() -> None:
    read = status(
        outcomes=[
            {"json": {"data": 0}, "is": "pending"},
            {"json": {"data": -1}, "is": "rejected"},
            {"status": 200, "matches": '"data": *\\d+', "is": "confirmed", "number": "json:data"},
        ]
    ).read
    assert Reading("pending", None, None, 0) == read(answer(200, {"data": 0}))
    assert Reading("rejected", None, None, 1) == read(answer(200, {"data": -1}))
    assert Reading("confirmed", "1234567890123456789", None, 2) == read(answer(200, {"data": 1234567890123456789}))
    assert Reading("unknown", None, "HTTP 500, no rule") == read(answer(500, {"data": 3}))


def step(**settings: Any) -> StepReader:
    return StepReader(Step.model_validate({"request": "POST /login", **settings}))


def test_a_step_without_expectations_is_content_with_any_status_below_400() -> None:
    assert ({}, None) == step().read(answer(302))
    assert ({}, "HTTP 400, expected status below 400: an empty body") == step().read(answer(400))


@pytest.mark.parametrize(
    ("expect", "said"),
    [
        ({"status": 201}, "HTTP 200, expected status 201: "),
        ({"json": {"code": 0}}, "HTTP 200, expected json code = 0: "),
        ({"contains": "welcome"}, "HTTP 200, expected a body with 'welcome': "),
        ({"matches": "wel+"}, "HTTP 200, expected a body that matches 'wel+': "),
        ({"header": {"X-Id": "7"}}, "HTTP 200, expected header X-Id with '7': "),
    ],
)
def test_a_failed_step_tells_what_was_expected_and_how_the_answer_begins(expect: dict[str, Any], said: str) -> None:
    captured, error = step(expect=expect).read(answer(200, {"code": 5, "msg": "no such\nuser", "token": "abcdef"}))
    assert {} == captured
    assert error == said + '{"code": 5, "msg": "no such\\nuser", "token": "…"}'


def test_what_a_step_captures() -> None:
    places = {
        "token": "json:data.token",
        "n": "json:data.n",
        "csrf": "cookie:csrftoken",
        "id": "header:X-Id",
        "path": "regex:/do/(\\w+)",
        "old": "cookie:session",
    }
    told = answer(
        200, {"data": {"token": "t-1", "n": 7}, "url": "/do/abc"}, set_cookie="csrftoken=c1; Path=/", x_id="42"
    )
    captured, error = step(capture=places).read(told, {"session": "s1"}.get)
    assert error is None
    assert captured == {"token": "t-1", "n": 7, "csrf": "c1", "id": "42", "path": "abc", "old": "s1"}
    captured, error = step(capture=places).read(told)
    assert error is not None
    assert error.startswith("HTTP 200 without 'cookie:session' in its answer: ")
    assert "t-1" not in error


def test_what_is_told_of_a_failed_step_has_no_secrets() -> None:
    _, error = step().read(answer(500, {"echo": "s3same", "password": "x"}), secrets=lambda: ["s3same"])
    assert error == 'HTTP 500, expected status below 400: {"echo": "…", "password": "…"}'


@pytest.mark.parametrize("value", [None, "", "  "])
def test_what_is_empty_is_not_captured(value: object) -> None:
    assert "without 'json:token'" in (
        step(capture={"token": "json:token"}).read(answer(200, {"token": value}))[1] or ""
    )


def http(**settings: Any) -> Http:
    least = {
        "base_url": "http://x",
        "buy": {"request": "POST /buy", "outcomes": {"202": "won"}, **settings.pop("buy", {})},
    }
    return Http.model_validate({**least, **settings})


def test_headers_are_asked_for_only_where_the_manifest_needs_them() -> None:
    assert not needs_headers(http())
    assert not needs_headers(http(buy={"number": "json:id", "capture": {"task": "regex:(x)"}}))
    assert needs_headers(http(buy={"number": "header:Location"}))
    assert needs_headers(http(buy={"outcomes": [{"is": "won", "header": {"X": "y"}}]}))
    assert needs_headers(http(buy={"outcomes": [{"is": "won", "number": "header:X"}]}))
    assert needs_headers(http(buy={"capture": {"task": "cookie:task"}}))
    assert needs_headers(http(before=[{"request": "GET /", "capture": {"csrf": "cookie:csrf"}}]))
    assert needs_headers(http(before=[{"request": "GET /", "expect": {"header": {"X": "y"}}}]))
    assert needs_headers(http(status={"request": "GET /s", "outcomes": [{"is": "confirmed", "number": "header:X"}]}))
