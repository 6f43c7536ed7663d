"""An OpenAPI document (3.x, or Swagger 2), in which the purchase, the log-in and the question after an order are looked for."""

import re
from collections.abc import Sequence

from loadtest.drafting.api_document import origin_of, read
from loadtest.drafting.conversation import BUY, STATUS
from loadtest.drafting.draft import Commented, Draft, Part, Rule
from loadtest.drafting.draft_rules import ID
from loadtest.drafting.guesses import ALREADY, LOGIN, SOLD_OUT, THROTTLED, USERS, WON, filled, hidden_path, log_in
from loadtest.drafting.operations import Operation, is_secret, operations, small
from loadtest.drafting.seen import BUYER, CSRF, PASSWORD, SECRET, Seen
from loadtest.errors import UsageError
from loadtest.manifest.marks import MARK

# A part of a path that is only told when the sale is open.
HIDDEN_NAME = re.compile(r"hidden|^path$|hash|verify|secret|md5|^key$", re.IGNORECASE)
TOKEN_PLACES = "or json:data.token, header:X-Token, cookie:NAME, regex:…(…)"  # noqa: S105 (no password)


def draft_of(source: str) -> Draft:
    """A draft of the shop that the document at `source`, a file or a URL of this machine, describes.

    Raises:
        UsageError: it cannot be read, is no OpenAPI document, or has no operation that looks like a purchase.
    """
    document = read(source)
    all_of_them = list(operations(document))
    buy = _purchase(all_of_them, f"--openapi {source}")
    part = _part(buy)
    part.notes.append(f"The purchase: {buy.summary}.")
    answer, status = buy.answer(202, 201, 200)
    number = next((key for key in answer if ID.search(key.rpartition(".")[2])), None)
    part.keys["number" if number else "#number"] = f"json:{number or 'id'}"
    origin = origin_of(source, document)
    steps = _log_in(all_of_them, buy, origin)
    if "{path}" in str(part.request):
        steps.append(hidden_path(part.headers))
    if not steps and "{buyer" not in repr(part):
        part.headers["X-Buyer"] = MARK
        part.notes.append("Nothing in it says who buys: put {buyer} where it belongs.")
    cookies = any(name.startswith("cookie:") for name in buy.secrets) or any(
        each.place == "cookie" for each in buy.parameters
    )
    asked = _status(all_of_them, buy, number, part)
    return Draft(f"--openapi {source}", origin, part, _outcomes(buy, status), steps, status=asked, cookies=cookies)


def _purchase(every: Sequence[Operation], source: str) -> Operation:
    """The one with most words of a purchase in its path and its summary."""
    posts = [each for each in every if each.method != "GET" and not _is_log_in(each)]
    scored = [
        sum(bool(BUY.search(text)) for text in (each.path.rstrip("/").rpartition("/")[2], each.path, each.summary))
        for each in posts
    ]
    if not any(scored):
        there = ", ".join(f"{each.method} {each.path}" for each in every)[:200] or "none"
        raise UsageError(
            f"{source}: no operation looks like a purchase, such as POST /orders; found {there}; draft one from --curl"
        )
    return posts[scored.index(max(scored))]


def _is_log_in(operation: Operation) -> bool:
    return operation.has_password or bool(LOGIN.search(operation.path) and not BUY.search(operation.path))


def _log_in(every: Sequence[Operation], buy: Operation, origin: str) -> list[Part]:
    """Each buyer's log-in, where the purchase carries a secret."""
    wanted = [name for name in buy.secrets if not BUYER.fullmatch(name)] + [
        each.name for each in buy.parameters if is_secret(each)
    ]
    if not wanted:
        return []
    found = next((each for each in every if each.method == "POST" and _is_log_in(each)), None)
    if found is None:
        cookies = [name.removeprefix("cookie:") for name in wanted if name.startswith("cookie:")]
        csrf = any(CSRF.fullmatch(name) for name in wanted)
        carried = "; ".join(f"{name}=x" for name in [*cookies, *(["csrftoken"] if csrf else [])])
        headers = {name: "x" for name in wanted if not name.startswith("cookie:")}
        return log_in(Seen("POST", origin, buy.path, {**headers, **({"Cookie": carried} if carried else {})}))
    part = _part(found)
    part.headers.pop("Authorization", None)
    part.notes += [f"Each buyer logs in before the sale: {found.summary}.", USERS]
    answer, _ = found.answer(200, 201)
    token = next((key for key in answer if SECRET.fullmatch(key.rpartition(".")[2])), None)
    place = {"token": f"json:{token or MARK}"}
    part.keys["capture"] = (
        place if token else Commented(place, f"where its answer has the token: json:token, {TOKEN_PLACES}")
    )
    for key in part.body or ():
        if token and PASSWORD.fullmatch(key):
            part.body[key] = MARK
    return [part]


def _status(every: Sequence[Operation], buy: Operation, number: str | None, bought: Part) -> Part | None:
    """How a buyer asks after an order, if the document says; what it names beside the number is captured of what was `bought`."""
    asks = [each for each in every if each.method == "GET" and STATUS.search(each.path) and each.path.count("{") == 1]
    near = [each for each in asks if each.path.startswith(buy.path.partition("{")[0].rstrip("/"))] or asks
    if not near or not number:
        return None
    asked = near[0]
    named = next((each.name for each in asked.parameters if each.place == "path"), "")
    answer, _ = buy.answer(202, 201, 200)
    other = next((key for key in answer if key.rpartition(".")[2] == named and key != number), None)
    if other:
        bought.keys["capture"] = {small(named): f"json:{other}"}
    part = _part(asked)
    placeholder = small(named) if other else "number"
    part.request = f"GET {re.sub(r'{[^}]*}', f'{{{placeholder}}}', asked.path)}"
    told, _ = asked.answer(200)
    state = next((key for key in told if re.search(r"(state|status)$", key, re.IGNORECASE)), "status")
    part.keys["state"] = Commented(
        state,
        'of its JSON answer; its values: pending = ["queued"], confirmed = ["confirmed"], rejected = ["rejected"]',
    )
    part.notes.append(f"How a buyer asks what became of the order: {asked.summary}.")
    return part


def _part(operation: Operation) -> Part:
    """The operation as a request of the manifest."""
    path, headers = operation.path, {}
    for each in operation.parameters:
        value = _value(each.name, each.value)
        if each.place == "path":
            path = path.replace(f"{{{each.name}}}", "{path}" if HIDDEN_NAME.search(each.name) else value)
        elif each.place == "query" and each.required:
            path += f"{'&' if '?' in path else '?'}{each.name}={value}"
        elif each.place == "header" and (each.required or value.startswith("{")):
            headers[each.name] = _header(each.name, value)
    for name in operation.secrets:
        if not name.startswith("cookie:") and name.lower() not in map(str.lower, headers):
            headers[name] = _header(name, _value(name, ""))
    return Part(
        f"{operation.method} {path}", headers, operation.kind, filled(operation.fields) if operation.fields else None
    )


def _header(name: str, value: str) -> str:
    return f"Bearer {value}" if name.lower() == "authorization" else value


def _value(name: str, given: object) -> str:
    if BUYER.fullmatch(name):
        return "{buyer}"
    if CSRF.fullmatch(name):
        return "{csrf}"
    return "{token}" if SECRET.fullmatch(name) else str(given)


def _outcomes(buy: Operation, status: int) -> list[Rule]:
    """Rules by the statuses that the document has."""
    rules = [Rule({"status": 410, "is": "sold_out"}) if 410 in buy.statuses else SOLD_OUT, ALREADY, THROTTLED]
    if not buy.statuses & {200, 201, 202}:
        return [*rules, WON]
    # One that answers 200 alone says what it means in its body, which the document does not tell.
    telling = buy.statuses & {201, 202, 409, 410}
    return [*rules, Rule({"status": status, "is": "won" if telling else WON.keys["is"]})]
