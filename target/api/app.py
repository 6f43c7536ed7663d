"""The shop as an ASGI application, served by ``uvicorn target.api.app:app``. Routes translate; `target.schemes` decides."""

import gc
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from typing import Any, cast

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router
from starlette.types import Receive, Scope, Send

from target.assembly import parts_of
from target.config import Config, load_or_exit
from target.errors import AlreadyBought, ConfigError, Rejected, SoldOut, Unavailable
from target.schemes import Scheme

MAX_BODY_BYTES = 4096
# Safe in a URL, a log and a Redis field without escaping.
BUYER = re.compile(r"[A-Za-z0-9._@+-]{1,64}")


class MalformedError(Exception):
    """The request's body is not an order. The message says why."""


class Routes:
    """The four endpoints of one sale."""

    def __init__(self, config: Config, scheme: Scheme) -> None:
        self._config = config
        self._scheme = scheme
        self._opens_at = config.opens_at
        # Made once, because nearly every buyer gets this answer, and a Response keeps no state of its request.
        self._sold_out = outcome(410, "sold_out")

    async def order(self, request: Request) -> Response:
        """``POST /sales/{sale}/orders`` {"buyer": "b-000123"}: 202 won, 409 already_bought, 410 sold_out, 422 malformed, 429 not open yet, 503 unavailable."""
        try:
            buyer = buyer_in(await read_body(request))
        except MalformedError as error:
            return problem(422, "Malformed order", str(error))
        if self._opens_at and datetime.now(UTC) < self._opens_at:
            return outcome(429, "throttled", headers={"Retry-After": "1"})
        try:
            number = await self._scheme.buy(buyer)
        except SoldOut:
            return self._sold_out
        except AlreadyBought as error:
            return self._order(409, "already_bought", error.number, buyer)
        except (Unavailable, Rejected) as error:
            return outcome(503, "refused", detail=str(error))
        return self._order(202, "won", number, buyer)

    async def status(self, request: Request) -> Response:
        """``GET /sales/{sale}/orders/{number}[?buyer=…]``: queued, confirmed or rejected; 404 if nobody holds such an order."""
        number = request.path_params["number"]
        state = await self._scheme.status(number, request.query_params.get("buyer"))
        if state is None:
            return problem(404, "No such order", f"nobody holds {number[:80]!r}")
        return Response(f'{{"number":"{number}","status":"{state}"}}', media_type="application/json")

    async def page(self, _request: Request) -> Response:
        """``GET /sales/{sale}``: the countdown page. `opens_at` is null if none was set."""
        opens_at = self._opens_at.isoformat() if self._opens_at else None
        return JSONResponse({"opens_at": opens_at, "stock": self._config.stock, "left": await self._scheme.left()})

    async def health(self, _request: Request) -> Response:
        """``GET /health``: 200 if the sale can be read, else 503."""
        await self._scheme.left()
        return JSONResponse({"status": "ok"})

    def _order(self, status: int, name: str, number: str, buyer: str) -> Response:
        # Formatted by hand, as this is the hot path. Neither sale, number nor buyer can hold a character that JSON escapes.
        url = f"/sales/{self._config.sale}/orders/{number}?buyer={buyer.replace('+', '%2B')}"
        body = f'{{"outcome":"{name}","number":"{number}","status_url":"{url}"}}'
        return Response(body, status, media_type="application/json")


Answers = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class Endpoint:
    """One route as an ASGI application. Answers 404 for another sale, and 503 while a service does not answer.

    Not a plain function: Starlette wraps functions in layers that cost more than a claim in Redis.
    """

    sale: str
    answer: Answers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        response = await self._respond(request)
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        if request.path_params.get("sale", self.sale) != self.sale:
            return problem(404, "No such sale", f"this shop sells {self.sale!r}")
        try:
            return await self.answer(request)
        except Unavailable as error:
            return problem(503, "Unavailable", str(error))


def create_app(config: Config, scheme: Scheme | None = None) -> Router:
    """The shop's ASGI application: Starlette's router without Starlette's middleware, which it does not need. Raises ConfigError."""
    selling = scheme or parts_of(config).scheme(config)
    routes = Routes(config, selling)
    endpoint = partial(Endpoint, config.sale)

    @asynccontextmanager
    async def lifespan(_app: Router) -> AsyncIterator[None]:
        # In a herd thousands of requests are in flight and none is garbage: collections over them would cost half a core.
        gc.freeze()
        gc.set_threshold(100_000, 50, 50)
        yield
        await selling.close()

    return Router(
        [
            Route("/sales/{sale}/orders", endpoint(routes.order), methods=["POST"]),
            Route("/sales/{sale}/orders/{number}", endpoint(routes.status), methods=["GET"]),
            Route("/sales/{sale}", endpoint(routes.page), methods=["GET"]),
            Route("/health", endpoint(routes.health), methods=["GET"]),
        ],
        lifespan=lifespan,
    )


async def read_body(request: Request) -> bytes:
    """The request's body. Raises MalformedError if it is longer than MAX_BODY_BYTES."""
    body = b""
    while True:
        message = await request.receive()
        body += cast("bytes", message.get("body", b""))
        if len(body) > MAX_BODY_BYTES:
            raise MalformedError(f"expected a body of at most {MAX_BODY_BYTES} bytes")
        if not message.get("more_body"):
            return body


def buyer_in(body: bytes) -> str:
    """The buyer named in `body`, the JSON of an order. Raises MalformedError."""
    try:
        order = json.loads(body)
    except (ValueError, RecursionError):
        raise MalformedError('expected a JSON object such as {"buyer": "b-000123"}, found no JSON') from None
    buyer = order.get("buyer") if isinstance(order, dict) else None
    if not isinstance(buyer, str) or not BUYER.fullmatch(buyer):
        raise MalformedError('expected a JSON object with "buyer": 1 to 64 letters, digits or any of . _ @ + -')
    return buyer


def outcome(status: int, name: str, headers: dict[str, str] | None = None, **more: str) -> Response:
    """The JSON answer to an order: ``{"outcome": name, **more}``."""
    return JSONResponse({"outcome": name, **more}, status, headers)


def problem(status: int, title: str, detail: str) -> Response:
    """A problem document (RFC 9457)."""
    return JSONResponse(
        {"title": title, "status": status, "detail": detail}, status, media_type="application/problem+json"
    )


@cache
def _app() -> Router:
    try:
        return create_app(load_or_exit())
    except ConfigError as error:
        raise SystemExit(f"shop: {error}") from None


def __getattr__(name: str) -> Any:
    # Made on first use, so that `create_app` can be imported without the SHOP_* variables.
    if name == "app":
        return _app()
    raise AttributeError(name)
