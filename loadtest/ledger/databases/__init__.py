"""Databases: what the harness knows of each kind of database that orders may be in, one kind a file. It only reads them.

Each member is a `Dialect`; `dialect_of` finds the one of a URL. Not here: what is read (`loadtest.ledger.sources`), and the probes of
databases (`loadtest.probes`). Read first: `Dialect`; the smallest member is `by_sqlalchemy`, which serves every dialect that has no file here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa

from loadtest.errors import UsageError
from loadtest.experiment.names import nearest

# A column of a result, as the driver's cursor describes it: name, type, …
Column = Sequence[Any]


@dataclass(frozen=True)
class Times:
    """How the times of one column are read: `sql` selects them, `to_ns` makes nanoseconds since the epoch of a value, by the database's clock."""

    sql: str
    to_ns: Callable[[object], int]


@dataclass(frozen=True)
class Dialect:
    """What differs from one kind of database to another.

    `connect` gives an engine of one connection, in autocommit, every answer of which has a deadline. `now` is SQL for the database's clock in
    microseconds since the epoch; None: its rows carry the times of this machine, or of a clock that cannot be asked. `times` tells how a
    column of `created_at` is read, and raises UsageError where it holds no moments. `absent` tells whether a driver's error says
    that there is no such table. `unfelt` tells whether whoever writes goes on while somebody reads.
    """

    name: str
    connect: Callable[[str], sa.Engine]
    now: str | None
    times: Callable[[Column], Times]
    absent: Callable[[BaseException | None], bool]
    on_this_machine: bool = False
    unfelt: Callable[[sa.Engine], bool] = lambda _: True


def dialects() -> dict[str, Dialect]:
    """Every dialect with a file of its own, by the first part of the scheme of its URLs."""
    from loadtest.ledger.databases import in_mysql, in_postgres, in_sqlite

    return {
        "postgresql": in_postgres.DIALECT,
        "postgres": in_postgres.DIALECT,
        "mysql": in_mysql.DIALECT,
        "mariadb": in_mysql.DIALECT,
        "sqlite": in_sqlite.DIALECT,
    }


def dialect_of(url: str) -> Dialect:
    """The dialect of the database at `url`: one of `dialects`, or whatever SQLAlchemy knows.

    Raises:
        UsageError: it is no URL of a database, SQLAlchemy does not know its kind, or the driver is not installed.
    """
    from loadtest.ledger.databases import by_sqlalchemy

    kind = urlsplit(url).scheme.partition("+")[0]
    known = dialects()
    if kind not in known:
        by_sqlalchemy.check(url, nearest(kind, known) if kind else f"valid: {', '.join(known)}")
        return by_sqlalchemy.DIALECT
    try:
        sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        raise UsageError(f"[truth] url: not a URL of {known[kind].name}; expected such as {EXAMPLES[kind]}") from None
    return known[kind]


EXAMPLES = {
    "postgresql": "postgresql://user:password@127.0.0.1:5432/shop",
    "postgres": "postgresql://user:password@127.0.0.1:5432/shop",
    "mysql": "mysql://user:password@127.0.0.1:3306/shop",
    "mariadb": "mariadb://user:password@127.0.0.1:3306/shop",
    "sqlite": "sqlite:///{scratch}/shop.db",
}


def said(error: BaseException) -> str:
    """What the database said of a statement, in one line, without the statement."""
    origin = getattr(error, "orig", None) or error
    if len(origin.args) > 1 and isinstance(origin.args[0], int):  # PyMySQL: number and text
        return str(origin.args[1]).splitlines()[0]
    return (str(origin).strip().splitlines() or [type(origin).__name__])[0]
