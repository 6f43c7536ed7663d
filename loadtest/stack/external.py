"""Services that the user runs. They are looked at before anything starts, and refused when they are not for a test."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import kombu
import psycopg2
import redis

from loadtest.errors import UsageError
from loadtest.stack import TEST_SALE, Services
from loadtest.stack.embedded import embedded_postgres, embedded_redis
from loadtest.stack.process import Supervisor

CONNECT_S = 3


@dataclass(frozen=True)
class Given:
    """The addresses that the user gave; None for a service that is to be embedded."""

    postgres: str | None = None
    redis: str | None = None
    broker: str | None = None

    def check(self) -> None:
        """Connect to each once.

        Raises:
            UsageError: one does not answer, or the database is not marked as a test sale.
        """
        if self.postgres:
            _check_postgres(self.postgres)
        if self.redis:
            _check_redis(self.redis)
        if self.broker:
            _check_broker(self.broker)


@contextlib.contextmanager
def open_services(given: Given, supervisor: Supervisor) -> Iterator[Services]:
    """Every service: the given ones as they are, the others embedded while the context lasts."""
    with contextlib.ExitStack() as stack:
        postgres = given.postgres or stack.enter_context(embedded_postgres(supervisor))
        own = "" if given.redis and given.broker else stack.enter_context(embedded_redis(supervisor))
        yield Services(postgres=postgres, redis=given.redis or f"{own}/0", broker=given.broker or f"{own}/1")


def without_password(url: str) -> str:
    """`url` as it may be shown: a password becomes ``***``."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.replace(f":{parts.password}@", ":***@", 1)))


def _check_postgres(url: str) -> None:
    _expect_scheme("postgres", url, ("postgresql", "postgres"))
    try:
        with (
            contextlib.closing(psycopg2.connect(url, connect_timeout=CONNECT_S)) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(
                "SELECT datname, coalesce(shobj_description(oid, 'pg_database'), '') FROM pg_database WHERE datname = current_database()"
            )
            database, comment = cursor.fetchone() or ("", "")
    except psycopg2.Error as error:
        raise _unreachable("postgres", url, error) from None
    if TEST_SALE not in comment:
        raise UsageError(
            f"--postgres {without_password(url)}: the database is not marked as a test sale, and a run wipes its sale; "
            f"""if it may be wiped, say so there: COMMENT ON DATABASE "{database}" IS '{TEST_SALE}'"""
        )


def _check_redis(url: str) -> None:
    _expect_scheme("redis", url, ("redis", "rediss", "unix"))
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=CONNECT_S, socket_timeout=CONNECT_S) as client:
            client.ping()
    except (redis.RedisError, ValueError) as error:
        raise _unreachable("redis", url, error) from None


def _check_broker(url: str) -> None:
    _expect_scheme("broker", url, ("redis", "rediss", "amqp", "amqps", "pyamqp"))
    try:
        with kombu.Connection(url, connect_timeout=CONNECT_S) as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=CONNECT_S)
            connection.default_channel  # noqa: B018 - the Redis transport connects only here
    except Exception as error:
        raise _unreachable("broker", url, error) from None


def _expect_scheme(option: str, url: str, schemes: tuple[str, ...]) -> None:
    if urlsplit(url).scheme not in schemes:
        raise UsageError(
            f"--{option} {without_password(url)}: expected a URL that begins with {' or '.join(f'{s}://' for s in schemes)}"
        )


def _unreachable(option: str, url: str, error: Exception) -> UsageError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return UsageError(
        f"--{option} {without_password(url)}: does not answer ({reason}); start it, or leave --{option} away for the embedded one"
    )
