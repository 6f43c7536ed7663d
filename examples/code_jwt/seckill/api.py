"""The shop's HTTP interface. Every answer is 200 with {"code", "msg", "data"}: code 0 is success."""

import json
import secrets
import time
from typing import Annotated

import jwt
from fastapi import Depends, FastAPI, Form, Header, Request
from fastapi.responses import JSONResponse

from seckill import settings
from seckill.passwords import hashed
from seckill.stores import QUEUE, cache, connection, results

app = FastAPI()


class Refusal(Exception):
    def __init__(self, code: int, msg: str) -> None:
        self.code, self.msg = code, msg


WRONG_PASSWORD = Refusal(500215, "wrong mobile or password")
NOT_LOGGED_IN = Refusal(500210, "please log in")
NOT_OPEN = Refusal(500501, "not open yet")
WRONG_PATH = Refusal(500102, "illegal request")
SOLD_OUT = Refusal(500500, "sold out")
TWICE = Refusal(500502, "one each")


@app.exception_handler(Refusal)
def refuse(request: Request, refusal: Refusal) -> JSONResponse:
    return JSONResponse({"code": refusal.code, "msg": refusal.msg, "data": None})


def success(data: object) -> dict:
    return {"code": 0, "msg": "success", "data": data}


def query(sql: str, *values: object) -> dict | None:
    with connection().cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchone()


def user_id(authorization: Annotated[str, Header()] = "") -> int:
    try:
        claims = jwt.decode(authorization.removeprefix("Bearer "), settings.JWT_SECRET, ["HS256"])
    except jwt.InvalidTokenError:
        raise NOT_LOGGED_IN from None
    return int(claims["sub"])


User = Annotated[int, Depends(user_id)]


@app.post("/login/do_login")
def login(mobile: Annotated[str, Form()], password: Annotated[str, Form()]):
    user = query("SELECT id, salt, password FROM user WHERE mobile = %s", mobile)
    if not user or user["password"] != hashed(password, user["salt"]):
        raise WRONG_PASSWORD
    claims = {"sub": str(user["id"]), "exp": int(time.time()) + settings.JWT_SECONDS}
    return success({"token": jwt.encode(claims, settings.JWT_SECRET, "HS256")})


@app.get("/goods/detail/{goods}")
def detail(goods: int):
    return success(query("SELECT id, name, stock, start_at FROM goods WHERE id = %s", goods))


@app.get("/seckill/path")
def path(goods: int, user: User):
    """The address to buy at: another one for each buyer, and none before the sale opens."""
    if not query("SELECT 1 FROM goods WHERE id = %s AND start_at <= now(3)", goods):
        raise NOT_OPEN
    hidden = secrets.token_hex(16)
    cache.set(f"seckill:{goods}:path:{user}", hidden, ex=settings.PATH_SECONDS)
    return success(hidden)


@app.post("/seckill/{hidden}/do_seckill")
def do_seckill(hidden: str, goods: Annotated[int, Form()], user: User):
    """Queue the request. Nothing is promised: data 0 says "queueing"."""
    if cache.get(f"seckill:{goods}:path:{user}") != hidden:
        raise WRONG_PATH
    before = cache.hget(results(goods), str(user))
    if before is not None:
        raise SOLD_OUT if before == "-1" else TWICE
    cache.rpush(QUEUE, json.dumps({"user": user, "goods": goods}))
    return success(0)


@app.get("/seckill/result")
def result(goods: int, user: User):
    """The order's id; 0: still queueing; -1: nothing left."""
    return success(int(cache.hget(results(goods), str(user)) or 0))
