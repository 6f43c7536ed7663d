"""A run holds the services that it was given: two at once would wipe each other's sale, and each would accuse the shop.

Each kind of service has a lock that lapses by itself when its holder is gone: in Postgres an advisory lock, gone with its connection; in Redis
a key with a lease of seconds; in RabbitMQ an exclusive queue; in MySQL a lock by name (`given_mysql`). With it goes a note of whose it is, for whoever comes second.
"""

import contextlib
import logging
import os
import re
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import amqp
import kombu
import psycopg2
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from loadtest.errors import UsageError
from loadtest.stack.given_mysql import MySqlHold

log = logging.getLogger(__name__)

CONNECT_S = 3
RENEW_S = 2.0
LEASE_S = 6.0
HEARTBEAT_S = 10
LOCK = 0x10AD7E57  # the number of the advisory lock; each database has its own
KEY = "loadtest:held"
QUEUE, NOTE = "loadtest.held", "loadtest.holder"
NOTE_MS = 24 * 3600 * 1000  # a note that a killed run left goes by itself
NAMELESS = "a run whose name cannot be seen from here"

# Gives the holder's note; nothing where it is ours now.
TAKE = """
local held = redis.call('GET', KEYS[1])
if held and held ~= ARGV[1] then return held end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return false"""
GIVE_BACK = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end"

_here: set[str] = set()


class Hold(Protocol):
    """The lock of one service."""

    def take(self, note: str) -> str:
        """Take it, or keep what was taken. Gives the note of who has it; nothing where we have. Raises the errors of the driver."""

    def release(self) -> None:
        """Give it back, and close the connection. Errors are none of ours: it lapses by itself."""


class PostgresHold:
    """An advisory lock of a transaction that stays open: behind a pooler, a session's lock would be somebody else's soon."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: psycopg2.extensions.connection | None = None

    def take(self, note: str) -> str:
        """See `Hold`."""
        try:
            return self._take(note)
        except psycopg2.Error:
            self.release()
            raise

    def _take(self, note: str) -> str:
        if self._connection is None:
            self._connection = psycopg2.connect(self._url, connect_timeout=CONNECT_S, application_name="loadtest")
            with self._connection.cursor() as cursor:  # a holder whose machine is gone is noticed within seconds
                cursor.execute(
                    "SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL tcp_keepalives_idle = 5; "
                    "SET LOCAL tcp_keepalives_interval = 2; SET LOCAL tcp_keepalives_count = 3"
                )
        with self._connection.cursor() as cursor:
            # The text of this statement is what pg_stat_activity shows of the session: the note travels in it.
            plain = note.replace("'", "?").replace("\\", "?")
            cursor.execute(f"SELECT pg_try_advisory_xact_lock({LOCK}), 'held by {plain}'")
            if (cursor.fetchone() or (False,))[0]:
                return ""
            cursor.execute(
                "SELECT a.query FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE l.locktype = 'advisory' AND l.granted "
                f"AND l.objid = {LOCK} AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            )
            found = re.search(r"'held by (.*)'", (cursor.fetchone() or ("",))[0] or "")
        self.release()
        return found.group(1) if found else NAMELESS

    def release(self) -> None:
        """See `Hold`."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(psycopg2.Error):
                connection.rollback()  # the end of a connection is noticed only a moment later
            connection.close()


class RedisHold:
    """A key in the database that is given, which lapses unless its holder renews it."""

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(
            url,
            decode_responses=True,
            socket_timeout=CONNECT_S,
            socket_connect_timeout=CONNECT_S,
            retry=Retry(NoBackoff(), 0),
        )
        self._note = ""

    def take(self, note: str) -> str:
        """See `Hold`. Waits for the end of a lease that nobody renews any more."""
        left_ms = self._left_ms()
        while holder := str(self._client.eval(TAKE, 1, KEY, note, int(LEASE_S * 1000)) or ""):
            if self._note or (now_ms := self._left_ms()) > left_ms:
                return holder
            left_ms = now_ms
            time.sleep(0.1)
        self._note = note
        return ""

    def _left_ms(self) -> int:
        return int(self._client.pttl(KEY))

    def release(self) -> None:
        """See `Hold`."""
        with contextlib.suppress(redis.RedisError):
            if self._note:
                self._client.eval(GIVE_BACK, 1, KEY, self._note)
        self._client.close()


class AmqpHold:
    """An exclusive queue, which RabbitMQ deletes with the connection; the note lies in a queue beside it."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: kombu.Connection | None = None

    def take(self, note: str) -> str:
        """See `Hold`."""
        try:
            return self._keep() if self._connection else self._take(note)
        except Exception:
            self.release()
            raise

    def _keep(self) -> str:
        assert self._connection is not None
        with contextlib.suppress(TimeoutError):  # the broker's own heartbeats are to be read
            self._connection.drain_events(timeout=0.05)
        self._connection.heartbeat_check()
        return ""

    def _take(self, note: str) -> str:
        self._connection = kombu.Connection(self._url, connect_timeout=CONNECT_S, heartbeat=HEARTBEAT_S)
        self._connection.connect()
        channel = self._connection.channel()
        try:
            channel.queue_declare(QUEUE, exclusive=True, durable=False, auto_delete=True)
        except amqp.ResourceLocked:
            holder = self._note()
            self.release()
            return holder
        arguments = {"x-max-length": 1, "x-expires": NOTE_MS}
        channel.queue_declare(NOTE, durable=True, auto_delete=False, arguments=arguments)
        channel.basic_publish(amqp.Message(note.encode()), exchange="", routing_key=NOTE)
        return ""

    def _note(self) -> str:
        assert self._connection is not None
        channel = self._connection.channel()
        with contextlib.suppress(amqp.AMQPError):
            if message := channel.basic_get(NOTE, no_ack=False):  # it goes back when the connection is closed
                return message.body if isinstance(message.body, str) else message.body.decode()
        return NAMELESS

    def release(self) -> None:
        """See `Hold`."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):
                connection.close()


def lock_of(url: str) -> Hold:
    """The lock of the service at `url`."""
    kind = urlsplit(url).scheme
    if kind in ("postgres", "postgresql"):
        return PostgresHold(url)
    if kind.partition("+")[0] in ("mysql", "mariadb"):
        return MySqlHold(url)
    return AmqpHold(url) if "amqp" in kind else RedisHold(url)


@contextlib.contextmanager
def holding(given: Mapping[str, str], directory: Path) -> Iterator[None]:
    """Hold these services while the context lasts. `given`: what a service is called in messages → its address.

    A lock that cannot be taken because the service does not answer, or not yet, is tried again and again; that is no reason to end a run.

    Raises:
        UsageError: another run holds one of them.
    """
    locks = {name: lock_of(url) for name, url in given.items()}
    with contextlib.ExitStack() as stack:
        note = _note(str(directory))
        _take_all(locks, note, stack)
        _here.update(locks)
        stack.callback(_here.difference_update, locks)
        stop = threading.Event()
        keeper = threading.Thread(target=_keep, args=(locks, note, stop), name="holds", daemon=True)
        keeper.start()
        stack.callback(keeper.join, CONNECT_S + 2)
        stack.callback(stop.set)
        yield


def refuse_held(given: Mapping[str, str]) -> None:
    """Look whether another run holds one of these services, before anything is written or started.

    Raises:
        UsageError: one does.
    """
    with contextlib.ExitStack() as stack:
        others = {name: lock_of(url) for name, url in given.items() if name not in _here}
        _take_all(others, _note("a run that begins"), stack)


def _note(where: str) -> str:
    return f"process {os.getpid()} on {socket.gethostname()}, {where}, since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _take_all(locks: Mapping[str, Hold], note: str, stack: contextlib.ExitStack) -> None:
    for name, lock in locks.items():
        stack.callback(lock.release)
        if holder := _take(name, lock, note):
            raise UsageError(
                f"{name}: another run holds it ({holder}), and two would wipe each other's sale; "
                "wait until that one is over, or give a service of this run's own"
            )


def _keep(locks: Mapping[str, Hold], note: str, stop: threading.Event) -> None:
    while not stop.wait(RENEW_S):
        for name, lock in locks.items():
            if holder := _take(name, lock, note):
                log.warning("%s: another run has taken it meanwhile (%s)", name, holder)


def _take(name: str, lock: Hold, note: str) -> str:
    try:
        return lock.take(note)
    except Exception as error:  # of four drivers
        log.info("%s: cannot be held now: %s", name, error)
        return ""
