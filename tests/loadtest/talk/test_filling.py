"""Requests as they leave: values quoted where they must be, and in the type that the shop expects."""

import json
from typing import Any

import pytest

from loadtest.errors import UsageError
from loadtest.manifest.http import Request
from loadtest.talk.filling import Filled, Template

VALUES: dict[str, object] = {
    "sale": "sale", "buyer": "b 1/2", "buyer.n": 7, "buyer.phone": 13800000001, "buyer.name": "Ärger & Söhne",
    "number": "a/b?c", "path": "/do/abc", "token": "t+/=", "ok": True, "goods": {"id": 3}, "n": 1.5,
}  # fmt: skip


def filled(request: str = "POST /buy", **settings: Any) -> Filled:
    return Template(Request.model_validate({"request": request, **settings})).fill(VALUES)


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/sales/{sale}/orders", "/sales/sale/orders"),
        ("/orders/{number}?buyer={buyer}", "/orders/a%2Fb%3Fc?buyer=b%201%2F2"),
        ("/of/{buyer}", "/of/b%201%2F2"),
        ("/of/{buyer.name}/{buyer.n}", "/of/%C3%84rger%20%26%20S%C3%B6hne/7"),
        ("{path}", "/do/abc"),
        ("/{path}", "/do/abc"),
        ("/api{path}?t={token}", "/api/do/abc?t=t%2B%2F%3D"),
    ],
)
def test_parts_of_a_url(target: str, path: str) -> None:
    assert path == filled(f"POST {target}").path


def test_a_path_that_the_shop_gave_may_have_a_query_and_be_encoded_already() -> None:
    template = Template(Request(request="GET {path}"))
    assert "/pay%20now?id=3&x=1" == template.fill({"path": "/pay%20now?id=3&x=1"}).path
    assert "/pay%20now%0A" == template.fill({"path": "/pay now\n"}).path


@pytest.mark.parametrize(
    "given", ["do/abc?x=1", "/do/abc?x=1", "http://shop.test:8000/do/abc?x=1", "https://shop.test/do/abc?x=1"]
)
def test_a_path_is_a_path_however_the_shop_gave_it(given: str) -> None:
    assert "/do/abc?x=1" == Template(Request(request="GET {path}")).fill({"path": given}).path


def test_values_of_json_keep_their_type_where_they_are_all_of_a_string() -> None:
    body = {
        "user": "{buyer.n}", "as_text": "no. {buyer.n}", "phone": "{buyer.phone}", "ok": "{ok}", "goods": ["{goods}", 1, None],
        "inner": {"name": "{buyer.name}", "n": "{n}"}, "query": "{ user { id } }", "said": "{ok} {goods}",
    }  # fmt: skip
    made = filled(json=body)
    assert made.headers == {"Content-Type": "application/json"}
    assert json.loads(made.body or b"") == {
        "user": 7, "as_text": "no. 7", "phone": 13800000001, "ok": True, "goods": [{"id": 3}, 1, None],
        "inner": {"name": "Ärger & Söhne", "n": 1.5}, "query": "{ user { id } }", "said": 'true {"id": 3}',
    }  # fmt: skip


def test_a_form() -> None:
    made = filled(form={"user name": "{buyer.name}", "token": "{token}", "n": "{buyer.n}", "empty": ""})
    assert made.body == b"user+name=%C3%84rger+%26+S%C3%B6hne&token=t%2B%2F%3D&n=7&empty="
    assert made.headers == {"Content-Type": "application/x-www-form-urlencoded"}


def test_a_text() -> None:
    made = filled(text="<buy by='{buyer.name}'/>")
    assert made.body == "<buy by='Ärger & Söhne'/>".encode()
    assert made.headers == {"Content-Type": "text/plain; charset=utf-8"}


def test_headers_and_a_content_type_of_ones_own() -> None:
    made = filled(text="<x/>", headers={"content-type": "text/xml", "Authorization": "Bearer {token}"})
    assert made.headers == {"content-type": "text/xml", "Authorization": "Bearer t+/="}
    assert Filled("GET", "/x", {}, None) == filled("GET /x")


def test_the_names_of_all_its_placeholders() -> None:
    request = {
        "request": "POST /{path}?s={sale}",
        "json": {"a": ["{buyer}", {"b": "{token}"}]},
        "headers": {"X": "{csrf}"},
    }
    template = Template(Request.model_validate(request))
    assert template.names == {"path", "sale", "buyer", "token", "csrf"}
    assert ("POST", "/{path}?s={sale}") == (template.method, template.name)
    with pytest.raises(UsageError, match=r"no placeholder \{csrf\}; valid: "):
        template.fill(VALUES)
