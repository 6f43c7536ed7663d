"""Recordings of a browser, as HAR, of shops like those in examples/. What is called ``geheim`` there must never be written anywhere."""

import json
from itertools import count
from typing import Any

ORIGIN = "http://127.0.0.1:8000"
SECONDS = count()
Told = tuple[int, Any] | tuple[int, Any, dict[str, str]]
NOTHING: Told = (200, {})


def har(entries: list[dict[str, Any]]) -> str:
    """The file."""
    return json.dumps({"log": {"version": "1.2", "entries": entries}})


def entry(
    method: str, path: str, data: str | None = None, headers: dict[str, str] | None = None, answer: Told = NOTHING
) -> dict[str, Any]:
    """One request and its answer."""
    status, body, *rest = answer
    text = body if isinstance(body, str) else json.dumps(body)
    sent = {"User-Agent": "Mozilla/5.0", "Accept": "*/*", **(headers or {})}
    posted = {"postData": {"text": data, "mimeType": sent.get("Content-Type", "")}} if data else {}
    return {
        "startedDateTime": f"2026-01-01T00:00:{next(SECONDS):06d}Z",
        "request": {"method": method, "url": ORIGIN + path, "headers": _pairs(sent), **posted},
        "response": {
            "status": status,
            "headers": _pairs(rest[0] if rest else {}),
            "content": {"mimeType": "application/json" if not isinstance(body, str) else "text/html", "text": text},
        },
    }


def _pairs(headers: dict[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in headers.items()]


FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI3In0.geheimgeheim"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
HIDDEN = "0f3a9b1c2d4e5f60718293a4b5c6d7e8"


def _success(data: Any) -> Told:
    return 200, {"code": 0, "msg": "success", "data": data}


CODE_JWT = [
    entry("POST", "/login/do_login", "mobile=13800007919&password=geheim", FORM, _success({"token": TOKEN})),
    entry("GET", "/goods/detail/1", answer=_success({"id": 1, "stock": 5})),
    entry("GET", "/seckill/path?goods=1", headers=BEARER, answer=_success(HIDDEN)),
    entry("POST", f"/seckill/{HIDDEN}/do_seckill", "goods=1", {**BEARER, **FORM}, _success(0)),
    entry("GET", "/seckill/result?goods=1", headers=BEARER, answer=_success(0)),
    entry("GET", "/seckill/result?goods=1", headers=BEARER, answer=_success(1790218374651904)),
    entry(
        "POST",
        f"/seckill/{HIDDEN}/do_seckill",
        "goods=1",
        {**BEARER, **FORM},
        (200, {"code": 500502, "msg": "one each", "data": None}),
    ),
]

CSRF = "csrfgeheim0123456789abcdef"
CSRF_2 = "csrfgeheim9876543210fedcba"
COOKIES = {"Cookie": f"csrftoken={CSRF_2}; sessionid=geheimgeheimgeheim"}
DJANGO = [
    entry(
        "GET", "/accounts/login/",
        answer=(200, f'<form method="post"><input type="hidden" name="csrfmiddlewaretoken" value="{CSRF}"></form>', {"Set-Cookie": f"csrftoken={CSRF}; Path=/"}),
    ),
    entry(
        "POST", "/accounts/login/", f"csrfmiddlewaretoken={CSRF}&username=user00001&password=geheim", {**FORM, "Cookie": f"csrftoken={CSRF}"},
        (302, "", {"Set-Cookie": f"csrftoken={CSRF_2}; Path=/\nsessionid=geheimgeheimgeheim; HttpOnly", "Location": "/"}),
    ),
    entry("GET", "/", headers=COOKIES, answer=(200, "<h1>Tickets</h1>")),
    entry("POST", "/tickets/buy/", headers={**COOKIES, "X-CSRFToken": CSRF_2}, answer=(202, {"number": "T-00001", "task": "b0e6-4f2a-task"})),
    entry("GET", "/tickets/orders/b0e6-4f2a-task/", headers=COOKIES, answer=(200, {"status": "queued"})),
    entry("GET", "/tickets/orders/b0e6-4f2a-task/", headers=COOKIES, answer=(200, {"status": "confirmed"})),
]  # fmt: skip

COUNTER = [
    entry("GET", "/", answer=(200, {"left": 1})),
    entry(
        "POST",
        "/buy",
        '{"name": "Ann", "size": 42}',
        JSON,
        (200, {"success": True, "message": "They are yours, Ann!", "order_id": 1}),
    ),
    entry("POST", "/buy", '{"name": "Bo", "size": 42}', JSON, (200, {"success": False, "message": "Sold out!"})),
]

ORDER = "5b0f1c1e-8a55-4f0b-9d5e-3f2e6a7c9d10"
NODE = [
    entry("POST", "/api/orders", headers={"X-User-Id": "u-1"}, answer=(202, {"orderId": ORDER})),
    entry("GET", f"/api/orders/{ORDER}", answer=(200, {"state": "queued"})),
    entry("GET", f"/api/orders/{ORDER}", answer=(200, {"state": "confirmed"})),
    entry("POST", "/api/orders", headers={"X-User-Id": "u-1"}, answer=(409, {"orderId": ORDER})),
    entry("POST", "/api/orders", headers={"X-User-Id": "u-2"}, answer=(410, {"error": "sold out"})),
]


def fastapi(paths: dict[str, Any], schemas: dict[str, Any]) -> str:
    """An OpenAPI document, as FastAPI makes it of handlers that do not say what they answer."""
    return json.dumps(
        {"openapi": "3.1.0", "info": {"title": "x", "version": "1"}, "paths": paths, "components": {"schemas": schemas}}
    )


_ANY = {
    "200": {"description": "Successful Response", "content": {"application/json": {"schema": {}}}},
    "422": {"description": "Validation Error"},
}
_AUTHORIZATION = {
    "name": "authorization",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "default": ""},
}
_GOODS = {"name": "goods", "in": "query", "required": True, "schema": {"type": "integer"}}


def _form(name: str) -> dict[str, Any]:
    return {
        "required": True,
        "content": {"application/x-www-form-urlencoded": {"schema": {"$ref": f"#/components/schemas/{name}"}}},
    }


COUNTER_API = fastapi(
    {
        "/": {"get": {"summary": "Home", "responses": _ANY}},
        "/buy": {
            "post": {
                "summary": "Buy",
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Purchase"}}}},
                "responses": _ANY,
            }
        },
    },
    {
        "Purchase": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "size": {"type": "integer", "default": 42}},
            "required": ["name"],
        }
    },
)
CODE_JWT_API = fastapi(
    {
        "/login/do_login": {"post": {"summary": "Login", "requestBody": _form("Login"), "responses": _ANY}},
        "/goods/detail/{goods}": {
            "get": {
                "parameters": [{"name": "goods", "in": "path", "required": True, "schema": {"type": "integer"}}],
                "responses": _ANY,
            }
        },
        "/seckill/path": {"get": {"summary": "Path", "parameters": [_GOODS, _AUTHORIZATION], "responses": _ANY}},
        "/seckill/{hidden}/do_seckill": {
            "post": {
                "summary": "Do Seckill",
                "parameters": [
                    {"name": "hidden", "in": "path", "required": True, "schema": {"type": "string"}},
                    _AUTHORIZATION,
                ],
                "requestBody": _form("Seckill"),
                "responses": _ANY,
            }
        },
        "/seckill/result": {"get": {"summary": "Result", "parameters": [_GOODS, _AUTHORIZATION], "responses": _ANY}},
    },
    {
        "Login": {
            "type": "object",
            "properties": {"mobile": {"type": "string"}, "password": {"type": "string"}},
            "required": ["mobile", "password"],
        },
        "Seckill": {"type": "object", "properties": {"goods": {"type": "integer"}}, "required": ["goods"]},
    },
)
_ORDER = {
    "type": "object",
    "properties": {"orderId": {"type": "string", "format": "uuid"}, "state": {"type": "string"}},
}
NODE_API = json.dumps(
    {
        "openapi": "3.0.3",
        "servers": [{"url": "http://127.0.0.1:3000/api"}],
        "security": [{"user": []}],
        "components": {
            "securitySchemes": {"user": {"type": "apiKey", "in": "header", "name": "X-User-Id"}},
            "schemas": {"Order": _ORDER},
        },
        "paths": {
            "/orders": {
                "post": {
                    "parameters": [
                        {"name": "X-User-Id", "in": "header", "required": True, "schema": {"type": "string"}}
                    ],
                    "responses": {
                        "202": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Order"}}}},
                        "409": {"description": "one each"},
                        "410": {"description": "sold out"},
                    },
                }
            },
            "/orders/{orderId}": {
                "get": {
                    "parameters": [{"name": "orderId", "in": "path", "required": True, "schema": {"type": "string"}}],
                    "responses": {
                        "200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Order"}}}}
                    },
                }
            },
        },
    }
)
DJANGO_API = json.dumps(
    {
        "swagger": "2.0",
        "host": "127.0.0.1:8000",
        "securityDefinitions": {"session": {"type": "apiKey", "in": "cookie", "name": "sessionid"}},
        "security": [{"session": []}],
        "paths": {
            "/tickets/buy/": {
                "post": {
                    "parameters": [{"name": "X-CSRFToken", "in": "header", "required": True, "type": "string"}],
                    "responses": {
                        "202": {
                            "schema": {
                                "type": "object",
                                "properties": {"number": {"type": "string"}, "task": {"type": "string"}},
                            }
                        },
                        "409": {"description": "already"},
                        "410": {"description": "sold out"},
                    },
                }
            },
            "/tickets/orders/{task}/": {
                "get": {
                    "parameters": [{"name": "task", "in": "path", "required": True, "type": "string"}],
                    "responses": {"200": {"schema": {"type": "object", "properties": {"status": {"type": "string"}}}}},
                }
            },
        },
    }
)
