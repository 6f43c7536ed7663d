"""A MySQL or MariaDB that the user runs: whether it may be wiped, and the lock by which one run has it to itself."""

import contextlib
import hashlib
from typing import Any

import pymysql
import sqlalchemy as sa

from loadtest.stack import TEST_SALE

CONNECT_S = 3
# A holder that has not been heard of for so long is gone: whoever holds it asks every two seconds.
SILENT_S = 10
MARK = "test_sale"

Connection = pymysql.connections.Connection


class NoAddress(ValueError):
    """A URL that says neither where a database is, nor which."""


def connect(url: str) -> "Connection[Any]":
    """A connection in autocommit, the answers of which have a deadline.

    Raises PyMySQL's errors, and `NoAddress`.
    """
    try:
        address = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError) as error:
        raise NoAddress("not a URL") from error
    if not address.database:
        raise NoAddress("it names no database; expected such as mysql://user:password@127.0.0.1:3306/shop")
    return pymysql.connect(
        host=address.host or "127.0.0.1",
        port=address.port or 3306,
        user=address.username or "root",
        password=address.password or "",
        database=address.database,
        autocommit=True,
        connect_timeout=CONNECT_S,
        read_timeout=CONNECT_S,
        write_timeout=CONNECT_S,
        program_name="loadtest",
    )


def unmarked(url: str) -> str:
    """What would mark the database as one for tests; nothing where it is marked: by its own comment (MariaDB), or by a table's name."""
    with contextlib.closing(connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT database(), version()")
        database, version = cursor.fetchone() or ("", "")
        cursor.execute("SHOW TABLES LIKE %s", (MARK,))
        if cursor.fetchall():
            return ""
        cursor.execute(f"SHOW CREATE DATABASE `{database}`")
        if TEST_SALE in str(cursor.fetchall()):
            return ""
    if "MariaDB" in version:
        return f"ALTER DATABASE `{database}` COMMENT '{TEST_SALE}'"
    return f"CREATE TABLE `{database}`.`{MARK}` (marked INT)"


class MySqlHold:
    """A lock of the server's, by the name of the database, which goes with its connection. It has no room for a note."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: Connection[Any] | None = None

    def take(self, _note: str) -> str:
        """See `loadtest.stack.holds.Hold`. The note of whoever has it is where that connects from."""
        try:
            return self._take()
        except Exception:
            self.release()
            raise

    def _take(self) -> str:
        if self._connection is None:
            self._connection = connect(self._url)
        with self._connection.cursor() as cursor:
            cursor.execute(f"SET SESSION wait_timeout = {SILENT_S}")
            cursor.execute("SELECT database()")
            (database,) = cursor.fetchone() or ("",)
            name = f"loadtest:{hashlib.sha256(str(database).encode()).hexdigest()[:32]}"
            cursor.execute(
                "SELECT coalesce(IS_USED_LOCK(%s) = CONNECTION_ID(), false) OR GET_LOCK(%s, 0) = 1", (name, name)
            )
            if (cursor.fetchone() or (0,))[0]:
                return ""
            cursor.execute("SELECT id, host FROM information_schema.processlist WHERE id = IS_USED_LOCK(%s)", (name,))
            holder = cursor.fetchone()
        self.release()
        return f"its connection {holder[0]}, from {holder[1]}" if holder else "a run that is just ending"

    def release(self) -> None:
        """See `loadtest.stack.holds.Hold`."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):
                connection.close()
