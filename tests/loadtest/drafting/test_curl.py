"""A line that a browser has copied, as a manifest: no secret in it, few marks, and one line for what cannot be drafted."""

import tomllib
from typing import Any

import pytest

from loadtest.drafting.curl import draft_of, parsed, split
from loadtest.drafting.draft import marks_in, written
from loadtest.errors import UsageError
from loadtest.experiment.section import parse
from loadtest.manifest.marks import MARK
from loadtest.manifest.shop import Shop

CHROME = r"""curl 'http://127.0.0.1:8000/api/orders?src=web' \
  -X 'POST' \
  -H 'Accept: application/json, text/plain, */*' \
  -H 'Accept-Language: en-GB,en;q=0.9' \
  -H 'Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.geheim' \
  -b 'sessionid=geheim; csrftoken=geheim' \
  -H 'Content-Type: application/json' \
  -H 'Origin: http://127.0.0.1:8000' \
  -H 'Sec-Fetch-Mode: cors' \
  -H 'X-Shop: north' \
  --data-raw $'{"userId":7,"sku":"it\'s \u00e4","qty":1}' \
  --compressed"""


def manifest(line: str) -> tuple[dict[str, Any], str]:
    text = written(draft_of(line), "mine")
    return tomllib.loads(text), text


def test_what_chrome_copies() -> None:
    made, text = manifest(CHROME)
    buy = made["http"]["buy"]
    assert made["http"]["base_url"] == "http://127.0.0.1:8000"
    assert buy["request"] == "POST /api/orders?src=web"
    assert buy["headers"] == {"X-Shop": "north", "Authorization": "Bearer {token}"}
    assert buy["json"] == {"userId": "{buyer.n}", "sku": "it's ä", "qty": 1}
    assert made["http"]["cookies"] is True
    assert made["http"]["before"][0]["capture"] == {"token": "json:token"}
    assert "geheim" not in text
    assert marks_in(text) <= 5


@pytest.mark.parametrize(
    "line",
    [
        CHROME,
        "curl http://127.0.0.1:8000/buy -d name=Ann",
        "curl http://127.0.0.1:8000/buy -d 'csrfmiddlewaretoken=abc&qty=1' -b 'csrftoken=abc; sessionid=x'",
        "curl -XPOST 127.0.0.1:8000/seckill/0123456789abcdef0123/do -H 'Authorization: Bearer xyzxyz' -d goods=1",
        "curl -X POST http://127.0.0.1:8000/buy",
        "curl http://127.0.0.1/buy -u me:geheim --json '[1, 2]'",
    ],
)
def test_what_is_filled_in_is_a_manifest_with_at_most_five_marks(line: str) -> None:
    _, text = manifest(line)
    assert marks_in(text) <= 5
    assert "geheim" not in text
    filled = text.replace(f'is = "{MARK}"', 'is = "won"').replace(MARK, "x")
    parse(Shop, tomllib.loads(filled), "shop.toml")


def test_a_form_and_a_csrf_token() -> None:
    made, text = manifest(
        "curl http://127.0.0.1:8000/buy/ -H 'X-CSRFToken: abcabc' -b 'csrftoken=abcabc; sessionid=geheim' -d 'user=ann&password=geheim&qty=1'"
    )
    assert made["http"]["buy"]["form"] == {"user": "{buyer}", "password": "secret", "qty": "1"}
    assert made["http"]["buy"]["headers"] == {"X-CSRFToken": "{csrf}"}
    page, log_in = made["http"]["before"]
    assert page["capture"] == log_in["capture"] == {"csrf": "cookie:csrftoken"}
    assert "geheim" not in text


def test_a_part_of_the_path_that_nobody_types_is_asked_for() -> None:
    made, _ = manifest("curl -X POST http://127.0.0.1:8000/seckill/d41d8cd98f00b204e9800998ecf8427e/do -d goods=1")
    assert made["http"]["buy"]["request"] == "POST /seckill/{path}/do"
    assert made["http"]["before"][0]["at"] == "click"


def test_somebody_must_buy() -> None:
    made, _ = manifest("curl -X POST http://127.0.0.1:8000/buy -d qty=1")
    assert made["http"]["buy"]["headers"] == {"X-Buyer": MARK}
    made, _ = manifest("curl -X POST http://127.0.0.1:8000/buy -H 'X-User-Id: 5'")
    assert made["http"]["buy"]["headers"] == {"X-User-Id": "{buyer}"}
    made, _ = manifest("""curl http://127.0.0.1:8000/buy --json '{"name": "Ann", "size": 42}'""")
    assert made["http"]["buy"]["json"] == {"name": "{buyer}", "size": 42}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("curl  a 'b c'  \"d e\"", ["curl", "a", "b c", "d e"]),
        ("a'b'\"c\"d", ["abcd"]),
        ("a \\\n b", ["a", "b"]),
        ("a \\\r\n b", ["a", "b"]),
        (r"""$'a\'b\n\u0041\x42\101'""", ["a'b\nABA"]),
        (r'"a\"b\$c\d"', ['a"b$c\\d']),
        (r"a\ b", ["a b"]),
        ("'' x", ["", "x"]),
        ("'line\nbreak'", ["line\nbreak"]),
        ("$x", ["$x"]),
    ],
)
def test_words_are_those_of_bash(line: str, words: list[str]) -> None:
    assert list(split(line)) == words


@pytest.mark.parametrize(
    ("line", "method", "target", "body"),
    [
        ("curl http://h/a", "GET", "/a", None),
        ("curl http://h", "GET", "/", None),
        ("curl -sSL http://h/a -d x=1 -d y=2", "POST", "/a", {"x": "1", "y": "2"}),
        ("curl -G http://h/a -d x=1", "GET", "/a?x=1", None),
        ("curl --url http://h/a -XPUT --data-urlencode 'x=a b'", "PUT", "/a", {"x": "a b"}),
        ("curl -I http://h/a", "HEAD", "/a", None),
        ("curl http://h/a --request=POST", "POST", "/a", None),
        ("""curl http://h/a -d '{"a": {"b": 1}}'""", "POST", "/a", {"a": {"b": 1}}),
        ("""curl http://h/a -d '{"a": null}'""", "POST", "/a", '{"a": null}'),
        ("curl http://h/a -d a=1 -d a=2", "POST", "/a", "a=1&a=2"),
        ("curl http://h/a -o file -A agent --max-time 3", "GET", "/a", None),
    ],
)
def test_options(line: str, method: str, target: str, body: Any) -> None:
    seen = parsed(line)
    assert (method, target, body) == (seen.method, seen.target, seen.body)


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("", "begins with curl"),
        ("wget http://h", "begins with curl, found 'wget'"),
        ("curl", "an address in the line"),
        ("curl http://h -F a=b", "a body in parts (-F) cannot be sent"),
        ("curl http://h -T file", "a file as the body"),
        ("curl http://h -d @body.json", "in the file 'body.json'"),
        ("curl http://h -H", "expected something after -H"),
        ("curl 'http://h", "a quote is not closed"),
        ('curl ^"http://h^"', "Copy as cURL (bash)"),
        ("curl ftp://h/x", "expected the address of a request"),
    ],
)
def test_what_cannot_be_drafted_is_one_line(line: str, part: str) -> None:
    with pytest.raises(UsageError) as error:
        draft_of(line)
    assert part in str(error.value)
    assert "\n" not in str(error.value)
