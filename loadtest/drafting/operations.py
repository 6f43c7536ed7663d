"""The operations of an OpenAPI document: what each is sent, what it answers, and how it knows who asks."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from loadtest.drafting.api_document import dotted, example, follow, server
from loadtest.drafting.seen import PASSWORD, SECRET, Kind

METHODS = ("post", "put", "patch", "get")
BODIES: tuple[tuple[str, Kind], ...] = (("application/json", "json"), ("application/x-www-form-urlencoded", "form"))
FORM = "formData"  # where Swagger 2 has the fields of a form


@dataclass(frozen=True)
class Parameter:
    """One beside the body: `place` is path, query, header or cookie."""

    name: str
    place: str
    required: bool
    value: Any


@dataclass(frozen=True)
class Operation:
    """One operation. `fields` is an example of its body; `statuses` are those that it may answer with; `secrets` are the headers and cookies
    that carry who asks, by its security schemes: ``Authorization``, ``cookie:sessionid``."""

    method: str
    path: str
    summary: str
    parameters: tuple[Parameter, ...] = ()
    kind: Kind | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    statuses: frozenset[int] = frozenset()
    answers: dict[int, dict[str, Any]] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()

    @property
    def has_password(self) -> bool:
        """Whether somebody logs in by it."""
        return any(PASSWORD.fullmatch(key) for key in self.fields)

    def answer(self, *statuses: int) -> tuple[dict[str, Any], int]:
        """The dotted keys of the answer with the first of `statuses` that there is, and that status; the last of them where there is none."""
        status = next((each for each in statuses if each in self.statuses), statuses[-1])
        return self.answers.get(status, {}), status


def operations(document: dict[str, Any]) -> Iterator[Operation]:
    """Every operation of a document that reads or writes."""
    base = str(document.get("basePath") or urlsplit(str(server(document).get("url", ""))).path or "").rstrip("/")
    for path, methods in document["paths"].items():
        for method in METHODS:
            told = methods.get(method) if isinstance(methods, dict) else None
            if isinstance(told, dict):
                shared = methods.get("parameters", [])
                yield _operation(
                    document,
                    method.upper(),
                    base + path,
                    {**told, "parameters": [*shared, *told.get("parameters", [])]},
                )


def _operation(document: dict[str, Any], method: str, path: str, told: dict[str, Any]) -> Operation:
    listed = [follow(document, each) for each in told["parameters"]]
    kind, fields = _body(document, told, listed)
    responses = {
        int(status): follow(document, each)
        for status, each in told.get("responses", {}).items()
        if str(status).isdecimal()
    }
    return Operation(
        method, path, str(told.get("summary") or told.get("operationId") or path), tuple(_parameters(document, listed)), kind, fields,
        frozenset(responses), {status: _answer(document, response) for status, response in responses.items()},
        tuple(_secrets(document, told)),
    )  # fmt: skip


def _parameters(document: dict[str, Any], listed: Sequence[dict[str, Any]]) -> Iterator[Parameter]:
    for each in listed:
        if each.get("in") in ("path", "query", "header", "cookie"):
            yield Parameter(str(each.get("name")), each["in"], bool(each.get("required")), example(each, document))


def _body(
    document: dict[str, Any], told: dict[str, Any], listed: Sequence[dict[str, Any]]
) -> tuple[Kind | None, dict[str, Any]]:
    """How its body is sent, and an example of each field that is required, or of all if none is."""
    content = follow(document, told.get("requestBody", {})).get("content", {})
    for mime, kind in BODIES:
        made = example(content[mime], document) if mime in content else None
        if isinstance(made, dict) and made:
            return kind, {key: str(each) for key, each in made.items()} if kind == "form" else made
    form = {str(each.get("name")): str(example(each, document)) for each in listed if each.get("in") == FORM}
    if form:
        return "form", form
    for each in listed:
        made = example(each, document) if each.get("in") == "body" else None
        if isinstance(made, dict) and made:
            return "json", made
    return None, {}


def _answer(document: dict[str, Any], response: dict[str, Any]) -> dict[str, Any]:
    """The dotted keys of a JSON answer, with examples."""
    content = response.get("content", {})
    schema = content.get("application/json", {}).get("schema") or response.get("schema") or {}
    made = example({"schema": schema}, document, everything=True)
    return dict(dotted(made)) if isinstance(made, dict) else {}


def _secrets(document: dict[str, Any], told: dict[str, Any]) -> Iterator[str]:
    components = document.get("components") or {}
    schemes = components.get("securitySchemes") or document.get("securityDefinitions") or {}
    for requirement in told.get("security", document.get("security")) or ():
        for name in requirement:
            scheme = follow(document, schemes.get(name, {}))
            if scheme.get("in") == "cookie":
                yield f"cookie:{scheme.get('name', name)}"
            else:
                yield str(scheme["name"]) if scheme.get("type") == "apiKey" and scheme.get("name") else "Authorization"


def is_secret(parameter: Parameter) -> bool:
    """Whether it carries a token, a session or the like."""
    return parameter.place in ("header", "cookie", "query") and bool(SECRET.fullmatch(parameter.name))


def small(name: str) -> str:
    """A name as a placeholder has it."""
    return re.sub(r"\W+", "_", name).lower()
