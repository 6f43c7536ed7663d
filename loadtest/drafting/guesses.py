"""What can be guessed of a request that somebody saw: which of its values is the buyer, which is a secret, and what its answers may mean."""

import re
from http.cookies import CookieError, SimpleCookie
from typing import Any

from loadtest.drafting.draft import Commented, Draft, Part, Rule
from loadtest.drafting.seen import BUYER, CSRF, HIDDEN, PASSWORD, SECRET, Seen
from loadtest.manifest.marks import MARK

LOGIN = re.compile(r"log_?-?in|sign_?-?in|auth|token|session", re.IGNORECASE)
SOLD_OUT = Rule(
    {
        "contains": Commented(
            MARK,
            "what the answer says when nothing is left; or, instead of this line: status = 410, or json = { code = 1 }",
        ),
        "is": "sold_out",
    }
)
ALREADY = Rule({"status": 409, "is": "already_bought"})
THROTTLED = Rule({"status": 429, "is": "throttled"})
WON = Rule(
    {
        "status": [200, 201, 202],
        "is": Commented(
            MARK,
            '"won" if it promises a unit; "accepted" if it only says that the order waits, and the worker or a later question decides',
        ),
    }
)
A_TEST_USER = "secret"


def draft_of_request(bought: Seen, source: str) -> Draft:
    """A draft of a shop of which nothing is known but the request that buys."""
    part = part_of(bought)
    keys: dict[str, Any] = {"#number": "json:id"}
    part.keys |= {key: value for key, value in keys.items() if key not in part.keys}
    part.notes.append(
        "The purchase. If its answer tells the order's number, say where: by it, what was promised is held against the rows."
    )
    steps = log_in(bought)
    if HIDDEN.search(bought.path):
        steps.append(hidden_path(part.headers))
    if not (steps or "{buyer" in repr(part)):
        part.headers["X-Buyer"] = f"{MARK}"
        part.notes.append("Nothing in it says who buys: put {buyer} where it belongs.")
    return Draft(
        source=source, base_url=bought.origin, buy=part, outcomes=[SOLD_OUT, ALREADY, THROTTLED, WON], steps=steps,
        cookies=any(name.lower() == "cookie" for name in bought.headers),
    )  # fmt: skip


def part_of(request: Seen) -> Part:
    """The request, with placeholders for the buyer and for secrets."""
    headers = {name: "{buyer}" if BUYER.fullmatch(name) else text for name, text in request.told.items()}
    headers |= {name: stand_in(name, text) for name, text in request.secrets.items() if name.lower() != "cookie"}
    path, mark, query = request.target.partition("?")
    path = HIDDEN.sub("{path}", path)
    query = "&".join(_in_query(pair) for pair in query.split("&")) if mark else ""
    kind, body = request.kind, request.body
    if kind == "text":
        headers["Content-Type"] = next(
            (text for name, text in request.headers.items() if name.lower() == "content-type"), "text/plain"
        )
    return Part(
        f"{request.method} {path}{mark}{query}", headers, kind, filled(body) if isinstance(body, dict) else body
    )


def _in_query(pair: str) -> str:
    key, equals, value = pair.partition("=")
    return f"{key}{equals}{stand_in(key, value)}" if equals else pair


def stand_in(key: str, value: Any) -> Any:
    """The placeholder for a value of that name, or the value itself where it is neither the buyer's nor a secret."""
    text = str(value)
    if CSRF.fullmatch(key):
        return "{csrf}"
    if PASSWORD.fullmatch(key):
        return A_TEST_USER
    if SECRET.fullmatch(key):
        scheme = re.match(r"(Bearer|Token|JWT|Basic) ", text)
        return f"{scheme[0]}{{token}}" if scheme else "{token}"
    if BUYER.fullmatch(key):
        return "{buyer.n}" if isinstance(value, int) else "{buyer}"
    return value


def filled(body: dict[str, Any]) -> dict[str, Any]:
    """A body, with placeholders in it. Where no key is a buyer's, one called `name` is."""
    made: dict[str, Any] = _filled(body)
    if isinstance(made.get("name"), str) and "{buyer" not in repr(made):
        made["name"] = "{buyer}"
    return made


def _filled(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _filled(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [_filled(each, key) for each in value]
    return stand_in(key, value)


def log_in(bought: Seen) -> list[Part]:
    """The steps by which buyers get what `bought` carries as a secret; empty where it has none."""
    named = [name for name in bought.secrets if name.lower() != "cookie"]
    fields = [key for key in bought.body if SECRET.fullmatch(key)] if isinstance(bought.body, dict) else []
    cookies = cookie_names(bought)
    csrf = next((name for name in cookies if CSRF.fullmatch(name)), None)
    wants_csrf = any(CSRF.fullmatch(name) for name in (*named, *fields))
    wants_token = any(not CSRF.fullmatch(name) for name in (*named, *fields))
    if not (named or fields or cookies):
        return []
    if csrf and wants_csrf:
        return _with_csrf(csrf)
    keys: dict[str, Any] = {}
    if wants_token:
        keys["capture"] = Commented(
            {"token": "json:token"}, "or json:data.token, header:X-Token, cookie:NAME, regex:…(…)"
        )
    elif wants_csrf:
        keys["capture"] = Commented({"csrf": "cookie:csrftoken"}, "or header:X-CSRF, regex:…(…)")
    return [
        Part(
            Commented(f"POST /{MARK}", "your log-in; the lines below say which fields it takes (form = { … } if it is a form) and where its answer has the token"),
            {}, "json", {"username": "{buyer}", "password": A_TEST_USER}, keys, [LOGS_IN, USERS],
        )
    ]  # fmt: skip


LOGS_IN = "Each buyer logs in before the sale: the request that this was drafted from carries a secret, which is not written here."
USERS = (
    'Users that exist: [buyers] id = "user{n}" for a pattern, or file = "users.csv", whose columns are {buyer.COLUMN}.'
)


def _with_csrf(cookie: str) -> list[Part]:
    """As Django and others have it: the page of the log-in gives the cookie, and the log-in another one."""
    capture = {"csrf": f"cookie:{cookie}"}
    return [
        Part(
            Commented(f"GET /{MARK}", "the page of your log-in, such as /accounts/login/; below is the log-in itself"), keys={"capture": capture},
            notes=[LOGS_IN],
        ),
        Part(
            "POST /accounts/login/", {}, "form",
            {"username": "{buyer}", "password": A_TEST_USER, "csrfmiddlewaretoken": "{csrf}"}, {"expect": {"status": 302}, "capture": capture},
            [USERS],
        ),
    ]  # fmt: skip


def hidden_path(headers: dict[str, str]) -> Part:
    """The step that gives a part of the path which nobody can type; it needs the same `headers`, as far as one can know."""
    return Part(
        Commented(f"GET /{MARK}", "what gives {path}; and below, where its answer has it"),
        dict(headers),
        keys={
            "at": Commented("click", 'part of the purchase; "before" if it is there before the sale opens'),
            "capture": {"path": "json:data"},
        },
        notes=["A part of the path is not typed by anybody, so it was given by another request, just before."],
    )


def cookie_names(request: Seen) -> list[str]:
    """The names of the cookies that it carries."""
    text = next((text for name, text in request.headers.items() if name.lower() == "cookie"), "")
    try:
        return list(SimpleCookie(text))
    except CookieError:
        return [pair.partition("=")[0].strip() for pair in text.split(";")]
