import json

import pytest

from loadtest.talk.heard import MAX_TEXT, MISSING, Heard, Response, as_number, path_of


def found(body: bytes, key: str) -> object:
    return Heard(Response(200, body)).at(path_of(key))


@pytest.mark.parametrize(
    ("answer", "key", "value"),
    [
        ({"number": "sale-1"}, "number", "sale-1"),
        ({"number": 17}, "number", "17"),
        ({"order": {"ids": [7, 8]}}, "order.ids.1", "8"),
        ({"number": True}, "number", None),
        ({"number": None}, "number", None),
        ({"number": " "}, "number", None),
        ({"number": {"deep": 1}}, "number", None),
        ({}, "number", None),
        ([], "number", None),
        (17, "$", "17"),
        ({"number": "n" * 999}, "number", "n" * MAX_TEXT),
        ({"number": 10**999}, "number", "1" + "0" * (MAX_TEXT - 1)),
    ],
)
def test_a_number_in_an_answer_and_no_more_of_it_than_fits(answer: object, key: str, value: str | None) -> None:
    assert as_number(found(json.dumps(answer).encode(), key)) == value


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff\xfe", b"[" * 100_000, b'{"number": ' + b"1" * 5_000 + b"}"])
def test_what_is_no_json_has_no_value(body: bytes) -> None:
    assert found(body, "number") is MISSING
