"""Services that the user runs. Each must answer before anything starts, and the database must be marked as one for tests."""

import contextlib
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

import amqp
import kombu
import psycopg2
import redis

from loadtest.errors import UsageError
from loadtest.stack import TEST_SALE, Services, surroundings
from loadtest.stack.embedded import embedded_postgres, embedded_redis
from loadtest.stack.given_mysql import unmarked
from loadtest.stack.holds import holding, refuse_held
from loadtest.stack.process import Supervisor
from loadtest.stack.rabbitmq import controllable

CONNECT_S = 3

# Passwords as they are written in URLs and in libpq's "host=… password=…". In front of the host up to the last @: one that holds a slash or an @ of
# its own is a mistake, and must not be shown for it.
IN_QUERY = re.compile(
    r"((?:^|[?&;\s])(?:ssl_?)?(?:password|passwd|pwd|pass|secret|token)\s*=\s*)('[^']*'|[^&;#\s]*)", re.IGNORECASE
)
IN_AUTHORITY = re.compile(r"(://[^/?#\s@:]*:)(\S*)@")

Kind = Literal["redis", "rabbitmq"]
EMBEDDED: tuple[Kind, ...] = ("redis",)
# RabbitMQ's errors for a user or vhost that it does not know; the shop's `prepare` may create them.
UNKNOWN_HERE = (amqp.AccessRefused, amqp.NotAllowed)


@dataclass(frozen=True)
class Given:
    """The addresses that the user gave; None for a service that is to be embedded.

    `brokers`: at most one of each kind. `broker_admin`: RabbitMQ's management API, ``http://user:password@host:15672``.
    """

    postgres: str | None = None
    redis: str | None = None
    brokers: tuple[str, ...] = ()
    broker_admin: str | None = None
    mysql: str | None = None

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kind of each broker."""
        return tuple(kind_of(url) for url in self.brokers)

    def broker(self, kind: Kind) -> str | None:
        """The address of the broker of that kind; None if none was given."""
        return next((url for url in self.brokers if kind_of(url) == kind), None)

    @property
    def all(self) -> tuple[str, ...]:
        """Every address."""
        return tuple(url for url in (self.postgres, self.redis, *self.brokers, self.broker_admin, self.mysql) if url)

    def named(self, kinds: Collection[Kind] | None = None) -> dict[str, str]:
        """The addresses of the services, by what they are called in messages; of brokers those of `kinds`, by default all."""
        brokers = [url for url in self.brokers if kinds is None or kind_of(url) in kinds]
        stores = [("postgres", self.postgres), ("mysql", self.mysql), ("redis", self.redis)]
        options = [*stores, *(("broker", url) for url in brokers)]
        return {f"--{option} {without_password(url)}": url for option, url in options if url}

    def check(self) -> None:
        """Connect to each once.

        Raises:
            UsageError: one does not answer, two brokers are of one kind, another run holds one, or the database is not marked as a
                test sale.
        """
        if self.postgres:
            _check_postgres(self.postgres)
        if self.mysql:
            _check_mysql(self.mysql)
        if self.redis:
            _check_redis(self.redis)
        for url in self.brokers:
            _check_broker(url, makeable=bool(self.broker_admin) or controllable(url))
        if len(set(self.kinds)) < len(self.kinds):
            raise UsageError(
                f"--broker: found two of one kind ({' and '.join(map(without_password, self.brokers))}); give one of each at most"
            )
        refuse_held(self.named())


def kind_of(url: str) -> Kind:
    """The kind of broker that the scheme of `url` stands for."""
    return "rabbitmq" if urlsplit(url).scheme in ("amqp", "amqps", "pyamqp") else "redis"


@contextlib.contextmanager
def open_services(
    given: Given, supervisor: Supervisor, kinds: Collection[Kind] = EMBEDDED, postgres: bool = True
) -> Iterator[Services]:
    """The addresses of all services: the given ones as they are, the others embedded while the context lasts.

    The given ones are held for that long; another run that wants them is refused, as this one is where another has them.

    `kinds`: the kinds of broker that will be used. The broker is Redis if that is among them; `with_broker` switches to the other.
    `postgres`: whether one is embedded where none is given; without it there is no address.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(holding(given.named(kinds), supervisor.log_dir.parent.resolve()))
        database = given.postgres or (stack.enter_context(embedded_postgres(supervisor)) if postgres else "")
        enough = given.redis and all(given.broker(kind) for kind in kinds)
        own = "" if enough else stack.enter_context(embedded_redis(supervisor))
        services = Services(
            database, given.redis or f"{own}/0", f"{own}/1", given.broker_admin or "", given.mysql or ""
        )
        yield with_broker(services, given, "redis" if "redis" in kinds else "rabbitmq")


def with_broker(services: Services, given: Given, kind: Kind) -> Services:
    """`services` with the broker of that kind; Redis is embedded where none was given."""
    return replace(services, broker=given.broker(kind) or services.broker)


def without_password(url: str) -> str:
    """`url`, or text that holds some, as it may be shown: a password becomes ``***``, wherever in the URL it is, and also in one that is none."""
    return IN_AUTHORITY.sub(r"\1***@", IN_QUERY.sub(r"\1***", url))


def checked(option: str, url: str) -> str:
    """`url`, if it can be taken apart. Raises UsageError, with the name of its option, if it cannot."""
    try:
        urlsplit(url)
    except ValueError as error:
        raise UsageError(
            f"--{option} {without_password(url)}: not a URL: {error}; expected such as redis://127.0.0.1:6379/0"
        ) from None
    return url


def plainly(url: str) -> str:
    """`url` with user and password where every library looks for them, and masks them: in front of the host, and not in the query."""
    try:
        parts = urlsplit(url)
        keys = parse_qsl(parts.query, keep_blank_values=True)
        secret = {key: quote(value, safe="") for key, value in keys if key in ("password", "user", "username")}
        if "password" not in secret:
            return url
        user = secret.get("user") or secret.get("username") or quote(unquote(parts.username or ""), safe="")
    except ValueError:
        return url  # whoever connects to it says what is wrong with it
    rest = urlencode([(key, value) for key, value in keys if key not in secret])
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{user}:{secret['password']}@{host}", query=rest))


def without_secrets(text: str, url: str) -> str:
    """`text`, such as a library's error, without the passwords of `url` in it."""
    for found in (*IN_QUERY.finditer(url), *IN_AUTHORITY.finditer(url)):
        for secret in {found[2], unquote(found[2])} - {""}:
            text = text.replace(secret, "***")
    return without_password(text)


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
    except (psycopg2.Error, ValueError) as error:
        raise _unreachable("postgres", url, error, hint=_variables_of_libpq()) from None
    if TEST_SALE not in comment:
        raise UsageError(
            f"--postgres {without_password(url)}: the database is not marked as a test sale, and a run wipes its sale; "
            f"""if it may be wiped, say so there: COMMENT ON DATABASE "{database}" IS '{TEST_SALE}'"""
        )


def _check_mysql(url: str) -> None:
    _expect_scheme("mysql", url, ("mysql", "mariadb", "mysql+pymysql", "mariadb+pymysql"))
    try:
        remedy = unmarked(url)
    except Exception as error:  # also a RuntimeError of the driver, for a way to log in that it does not know
        raise _unreachable("mysql", url, error) from None
    if remedy:
        raise UsageError(
            f"--mysql {without_password(url)}: the database is not marked as a test sale, and a run wipes its sale; "
            f"if it may be wiped, say so there: {remedy}"
        )


def _check_redis(url: str) -> None:
    _expect_scheme("redis", url, ("redis", "rediss", "unix"))
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=CONNECT_S, socket_timeout=CONNECT_S) as client:
            client.ping()
    except Exception as error:  # also a TypeError, for what the URL says after its ?
        raise _unreachable("redis", url, error) from None


def _check_broker(url: str, makeable: bool) -> None:
    _expect_scheme("broker", url, ("redis", "rediss", "amqp", "amqps", "pyamqp"))
    try:
        with kombu.Connection(url, connect_timeout=CONNECT_S) as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=CONNECT_S)
            connection.default_channel  # noqa: B018 - the Redis transport connects only here
    except UNKNOWN_HERE as error:
        if not makeable:
            raise UsageError(
                f"--broker {without_password(url)}: refuses this user or vhost ({without_secrets(_first_line(error), url)}); "
                "give --broker-admin, so that they can be made, or see docs/brokers.md"
            ) from None
    except Exception as error:
        raise _unreachable("broker", url, error) from None


def _expect_scheme(option: str, url: str, schemes: tuple[str, ...]) -> None:
    if urlsplit(url).scheme not in schemes:
        raise UsageError(
            f"--{option} {without_password(url)}: expected a URL that begins with {' or '.join(f'{s}://' for s in schemes)}"
        )


def _unreachable(option: str, url: str, error: Exception, hint: str = "") -> UsageError:
    remedy = (
        "start it, or give another" if option == "mysql" else f"start it, or leave --{option} away for the embedded one"
    )
    return UsageError(
        f"--{option} {without_password(url)}: does not answer ({without_secrets(_first_line(error), url)}); {remedy}"
        + hint
    )


def _variables_of_libpq() -> str:
    names = surroundings.left_outside("PG")
    return f"; {', '.join(names)}: not read here, put what they say into the URL" if names else ""


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
