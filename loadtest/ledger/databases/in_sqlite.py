"""SQLite: a file of this machine, opened for reading alone, whether or not it keeps a write-ahead log."""

import sqlite3
import time
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa

from loadtest.errors import UsageError
from loadtest.ledger.connections import ANSWER_S, TIMEOUT_S
from loadtest.ledger.databases import Column, Dialect, Times
from loadtest.ledger.row_times import from_anything

STEPS = 10_000  # of SQLite's machine between two looks at the clock: a fraction of a millisecond


def connect(url: str) -> sa.Engine:
    """See `Dialect`. `url` is ``sqlite:///relative`` or ``sqlite:////absolute``.

    Raises:
        UsageError: it is a database in memory, which only its own process can read.
    """
    path = sa.make_url(url).database or ""
    if path in ("", ":memory:"):
        raise UsageError(
            "[truth] url: a SQLite database in memory is its process's own; give a file: sqlite:///{scratch}/shop.db"
        )
    path = path.removeprefix("file:").partition("?")[0]

    def opened() -> sqlite3.Connection:
        # Never `immutable`, which would read past the write-ahead log.
        return sqlite3.connect(
            f"file:{quote(path)}?mode=ro", uri=True, timeout=TIMEOUT_S, check_same_thread=False, isolation_level=None
        )

    engine = sa.create_engine("sqlite://", creator=opened, poolclass=sa.pool.QueuePool, pool_size=1, max_overflow=0)
    sa.event.listen(engine, "before_cursor_execute", _give_time)
    return engine


def _give_time(connection: sa.Connection, *_: Any) -> None:
    """Interrupt a statement that takes longer than `ANSWER_S`."""
    last_moment = time.monotonic() + ANSWER_S
    driver: Any = connection.connection.driver_connection
    driver.set_progress_handler(lambda: int(time.monotonic() > last_moment), STEPS)


def times(_: Column) -> Times:
    """See `Dialect`. SQLite has no types: each value says for itself what it is."""
    return Times("created_at", from_anything)


def absent(error: BaseException | None) -> bool:
    """See `Dialect`."""
    return "no such table" in str(error)


def unfelt(engine: sa.Engine) -> bool:
    """See `Dialect`. Without a write-ahead log, whoever writes waits for readers, or is told that the database is locked."""
    with engine.connect() as connection:
        connection.execute(
            sa.text("SELECT 1 FROM sqlite_master LIMIT 1")
        ).close()  # without a look at the file it tells how it was
        return str(connection.execute(sa.text("PRAGMA journal_mode")).scalar_one()).lower() == "wal"


DIALECT = Dialect("SQLite", connect, None, times, absent, on_this_machine=True, unfelt=unfelt)
