"""Hints for misspelt names, and the placeholders of a manifest."""

import difflib
import re
from collections.abc import Iterable, Mapping

from loadtest.errors import UsageError

# What others call a placeholder, and what it is here.
ELSEWHERE = {
    "user": "buyer",
    "username": "buyer",
    "user_id": "buyer",
    "userid": "buyer",
    "customer": "buyer",
    "uid": "buyer",
    "email": "buyer.email",
    "password": "buyer.password",
    "phone": "buyer.phone",
    "i": "buyer.n",
    "n": "buyer.n",
    "index": "buyer.n",
    "id": "number",
    "order": "number",
    "order_id": "number",
    "orderid": "number",
    "task_id": "number",
    "item": "sale",
    "item_id": "sale",
    "product": "sale",
    "product_id": "sale",
    "sku": "sale",
    "postgres": "stack.postgres",
    "database": "stack.postgres.database",
    "database_url": "stack.postgres",
    "redis": "stack.redis",
    "redis_url": "stack.redis",
    "broker": "stack.broker",
    "broker_url": "stack.broker",
    "rabbitmq": "stack.broker",
    "mysql": "stack.mysql",
    "url": "base_url",
    "host": "base_url",
    "root": "here",
    "dir": "here",
    "folder": "here",
    "cwd": "here",
    "tmp": "scratch",
    "temp": "scratch",
    "quantity": "stock",
}

PLACEHOLDER = re.compile(r"\{([a-z_][a-z0-9_.]*)\}")


def nearest(found: str, valid: Iterable[str]) -> str:
    """The hint for a wrong name: ``nearest valid: 'stock'``, or all valid names when none is near."""
    choice = sorted(valid)
    # A key typed without its table ("rate_per_s") is still near "limiter.rate_per_s".
    near = [name for name in choice if name.rsplit(".", 1)[-1] == found.rsplit(".", 1)[-1]]
    near = near or difflib.get_close_matches(found, choice, n=1, cutoff=0.5)
    if near:
        return f"nearest valid: {' or '.join(map(repr, near))}"
    return f"valid: {', '.join(choice)}"


def near_placeholder(found: str, valid: Iterable[str]) -> str:
    """The hint for a wrong placeholder: what it is called here, where others have a name for it, or the nearest."""
    choice = set(valid)
    meant = ELSEWHERE.get(found.lower())
    return f"use {{{meant}}}" if meant in choice else nearest(found, choice)


def fill(template: str, values: Mapping[str, object], where: str) -> str:
    """`template` with each ``{name}`` replaced from `values`. `where`: the manifest's key that holds it, for the error.

    Other braces are left alone, so that JSON and SQL can be written as they are.

    Raises:
        UsageError: a name that `values` does not have.
    """

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in values:
            raise UsageError(f"{where}: no placeholder {{{name}}}; {near_placeholder(name, values)}")
        return str(values[name])

    return PLACEHOLDER.sub(value, template)
