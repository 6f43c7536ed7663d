"""Connections to the shop's stores. Each call on one has a deadline on this side, so that a server that is frozen, or cut off, is an error."""

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from typing import Any

import psycopg2
import psycopg2.extensions
import redis
import sqlalchemy as sa
from redis.backoff import NoBackoff
from redis.retry import Retry

TIMEOUT_S = 5.0
# What the server is told to allow a statement, and what we wait for its answer: a server that lives says first that it was too slow.
STATEMENT_S = 30.0
ANSWER_S = 35.0


def connect_redis(url: str) -> redis.Redis:
    """A client that never retries: by default redis-py would retry up to ten times, and hide a fault."""
    return redis.Redis.from_url(
        url,
        decode_responses=True,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
    )


def connect_postgres(url: str, answer_s: float | None = None) -> sa.Engine:
    """An engine of one connection, in autocommit. A statement has `STATEMENT_S` on the server, and `answer_s` (default `ANSWER_S`) here."""
    address = url.partition("://")[2]  # SQLAlchemy knows no postgres://, and takes another driver for postgresql://

    def connection(dsn: str, **more: Any) -> PatientConnection:
        connected = PatientConnection(dsn, **more)
        connected.answer_s = ANSWER_S if answer_s is None else answer_s
        return connected

    return sa.create_engine(
        f"postgresql+psycopg2://{address}",
        isolation_level="AUTOCOMMIT",
        pool_size=1,
        max_overflow=0,
        connect_args={
            "connection_factory": connection,
            "connect_timeout": int(TIMEOUT_S),
            "application_name": "loadtest",
        },
    )


class PatientConnection(psycopg2.extensions.connection):
    """A connection that is cut where a statement has no answer within `answer_s` seconds.

    libpq waits for ever for a server that is connected and silent: its time-outs are for connecting only, and the kernel of a machine
    whose Postgres is frozen still acknowledges what is sent, so that neither keepalives nor ``tcp_user_timeout`` see anything.
    """

    answer_s = ANSWER_S

    def __init__(self, dsn: str, **more: Any) -> None:
        super().__init__(dsn, **more)
        self.cursor_factory = PatientCursor

    @contextlib.contextmanager
    def deadline(self) -> Iterator[None]:
        """Cut the connection if the block takes longer.

        Raises:
            psycopg2.OperationalError: it did.
        """
        lock, over, cut = threading.Lock(), False, False

        def hang_up() -> None:
            nonlocal cut
            with lock:
                if not over and not self.closed:
                    cut = True
                    _shut_down(self.fileno())

        timer = threading.Timer(self.answer_s, hang_up)
        timer.daemon = True
        timer.start()
        try:
            yield
        except psycopg2.Error as error:
            if cut:
                raise psycopg2.OperationalError(f"Postgres gave no answer in {self.answer_s:g} s") from error
            raise
        finally:
            with lock:
                over = True
            timer.cancel()


class PatientCursor(psycopg2.extensions.cursor):
    """A cursor whose statements keep the deadline of their connection, and are told the server's with each statement, in the same message.

    Not once when connecting: a pooler such as PgBouncer refuses options then, and hands each statement to another connection.
    """

    connection: PatientConnection

    def execute(self, query: Any, vars: Any = None) -> None:  # noqa: A002 (psycopg2's name)
        """Execute `query`, and fetch its whole answer."""
        with self.connection.deadline():
            super().execute(f"SET LOCAL statement_timeout = {int(STATEMENT_S * 1000)};\n{query}", vars)


def _shut_down(descriptor: int) -> None:
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as connected:
        connected.shutdown(socket.SHUT_RDWR)
