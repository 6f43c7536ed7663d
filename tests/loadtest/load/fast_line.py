"""Exchanges by `FastLine` in a process of its own, since Locust changes the standard library: a JSON list in, one out."""

import json
import sys
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

from loadtest.load.buyers.fast_buyer import FastLine
from loadtest.load.http.client import HttpError
from loadtest.load.http.endpoint import endpoint


def exchanged(url: str, timeout_s: float, ca: str | None, requests: list[tuple[str, str]]) -> list[Any]:
    """What each of `requests`, a method and a path, gives on one line."""
    where = endpoint(url, Path(ca) if ca else None)
    line = FastLine(where, timeout_s, CookieJar(), follows=True, compressed=True)
    return [one(line, method, path) for method, path in requests]


def one(line: FastLine, method: str, path: str) -> tuple[Any, Any]:
    """Status and body, or the error's name and whether the request may have left."""
    body = b"{}" if method in ("POST", "PUT") else None
    try:
        response = line.exchange(line.request(method, path, {}, body))
    except HttpError as error:
        return type(error).__name__, error.may_have_left
    return response.status, response.body.decode()


if __name__ == "__main__":
    json.dump([exchanged(*case) for case in json.load(sys.stdin)], sys.stdout)
