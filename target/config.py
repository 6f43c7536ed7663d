"""The shop's configuration, read from the ``SHOP_*`` environment variables."""

import math
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Literal, TypeVar, cast, get_args

import sqlalchemy as sa

from target.errors import ConfigError

Dispatch = Literal["queued", "inline"]
LimiterKind = Literal["none", "native", "flat", "shared"]
QueueType = Literal["classic", "quorum"]
Ack = Literal["early", "late"]

SALE = re.compile(r"[A-Za-z0-9_-]{1,64}")
MAX_STOCK = 10_000_000
T = TypeVar("T")


@dataclass(frozen=True)
class Config:
    """One sale and the services that it uses. *Warning:* the URLs may hold passwords: never log a whole Config."""

    database_url: str
    redis_url: str
    broker_url: str
    sale: str
    stock: int
    per_buyer: int = 1
    scheme: str = "tokens"
    dispatch: Dispatch = "queued"
    limiter: LimiterKind = "flat"
    rate_per_s: float = 50.0  # of one worker; with limiter `shared`, of all workers together
    burst: int = 2  # orders that may start at once, to make up lateness
    workers: int = 1  # that share the rate of limiter `shared`
    prefetch: int = 1  # unacknowledged orders a worker may hold for each process, thread or greenlet of its pool
    batch: int = 1  # the most orders that one job of the pool places together, in one commit
    opens_at: datetime | None = None  # before it every order is answered 429; None: the sale is open
    db_pool: int = 16  # threads that write rows within the request (dispatch `inline`), with a connection each
    publishers: int = 2  # threads that send orders to the broker; more of them only contend for the GIL
    timeout_s: float = 2.0  # of one request to Redis or the broker; the database's time-outs are derived from it
    queue_type: QueueType = "classic"  # RabbitMQ only
    ack: Ack = "late"  # late: an order is acknowledged when its row is committed; early: when the pool starts it
    visibility_s: float = 15.0  # after which Redis redelivers an order that is not acknowledged
    rabbitmq_admin_url: str = ""  # of RabbitMQ's management API, with a user who may create users and vhosts
    mutant: str = ""  # a deliberate mistake to build in: see target/mutants

    @cached_property
    def sqlalchemy_url(self) -> sa.URL:
        """The database's URL for SQLAlchemy. Names the driver, because SQLAlchemy's default has changed between versions."""
        return sa.make_url(self.database_url.replace("postgres://", "postgresql://", 1)).set(
            drivername="postgresql+psycopg2"
        )

    def number(self, unit: int) -> str:
        """The order number of `unit`, from 1 to the stock. Deterministic, so that seeding twice makes no second set of numbers."""
        return f"{self.sale}-{unit:06d}"


def load(env: Mapping[str, str] = os.environ) -> Config:
    """The configuration in `env`.

    Raises:
        ConfigError: names the first variable that is missing or wrong.
    """
    reader = Reader(env)
    dispatch = cast("Dispatch", reader.choice("SHOP_DISPATCH", ("queued", "inline"), "queued"))
    broker_url = reader.url(
        "SHOP_BROKER_URL", ("redis", "rediss", "amqp", "amqps"), "" if dispatch == "inline" else None
    )
    limiter = cast("LimiterKind", reader.choice("SHOP_LIMITER", get_args(LimiterKind), "flat"))
    rate = reader.value("SHOP_RATE_PER_S", _positive, "orders a second above 0", 50.0)
    batch = reader.value("SHOP_BATCH", _between(1, 1000), "a whole number from 1 to 1000", 1)
    if batch > 1 and limiter == "native":
        raise ConfigError(
            f"SHOP_BATCH: expected 1 with SHOP_LIMITER=native, which lets orders go one by one, found '{batch}'"
        )
    # All orders of a batch start at once, so the burst must hold them; with the shared budget one more, to make up a late start.
    least = {"flat": batch, "shared": batch + 1}.get(limiter, 1)
    return Config(
        database_url=reader.url("SHOP_DATABASE_URL", ("postgresql", "postgres")),
        redis_url=reader.url("SHOP_REDIS_URL", ("redis", "rediss", "unix")),
        broker_url=broker_url,
        sale=reader.value("SHOP_SALE", _sale, "1 to 64 letters, digits, _ or -"),
        stock=reader.value("SHOP_STOCK", _between(1, MAX_STOCK), f"a whole number from 1 to {MAX_STOCK}"),
        per_buyer=reader.value("SHOP_PER_BUYER", _between(1, 1000), "a whole number from 1 to 1000", 1),
        scheme=reader.text("SHOP_SCHEME", "tokens"),
        dispatch=dispatch,
        limiter=limiter,
        rate_per_s=rate,
        # 40 ms of the rate, at least 2: enough to make up a late timer, too little to load the database. Plus the rest of a batch.
        burst=reader.value(
            "SHOP_BURST",
            _between(least, 100_000),
            f"a whole number from {least}",
            max(2, math.floor(rate * 0.04)) + batch - 1,
        ),
        workers=reader.value("SHOP_WORKERS", _between(1, 10_000), "a whole number from 1", 1),
        # 4 is Celery's own default. With a prefetch below the batch size, batches would not fill.
        prefetch=reader.value(
            "SHOP_PREFETCH",
            _between(batch, 1000),
            f"a whole number from {batch} to 1000",
            4 if limiter == "native" else batch,
        ),
        batch=batch,
        opens_at=reader.value("SHOP_OPENS_AT", _moment, "a time such as 2030-11-11T00:00:00+08:00", None),
        db_pool=reader.value("SHOP_DB_POOL", _between(1, 500), "a whole number from 1 to 500", 16),
        publishers=reader.value("SHOP_PUBLISHERS", _between(1, 64), "a whole number from 1 to 64", 2),
        timeout_s=reader.value("SHOP_TIMEOUT_S", _positive, "seconds above 0", 2.0),
        queue_type=_queue_type(reader, broker_url),
        ack=cast("Ack", reader.choice("SHOP_ACK", ("early", "late"), "late")),
        visibility_s=reader.value("SHOP_VISIBILITY_S", _positive, "seconds above 0", 15.0),
        rabbitmq_admin_url=reader.url("SHOP_RABBITMQ_ADMIN_URL", ("http", "https"), ""),
        mutant=reader.text("SHOP_MUTANT", ""),
    )


def _queue_type(reader: "Reader", broker_url: str) -> QueueType:
    found = cast("QueueType", reader.choice("SHOP_QUEUE_TYPE", ("classic", "quorum"), "classic"))
    if found == "quorum" and broker_url.startswith("redis"):
        raise ConfigError("SHOP_QUEUE_TYPE: expected classic with a SHOP_BROKER_URL of Redis, found 'quorum'")
    return found


def load_or_exit() -> Config:
    """The configuration of this process. A ConfigError ends the process with one line on stderr and exit code 2."""
    with saying_what_is_wrong():
        return load()


@contextmanager
def saying_what_is_wrong() -> Iterator[None]:
    """A ConfigError in the block ends the process with one line on stderr and exit code 2."""
    try:
        yield
    except ConfigError as error:
        print(f"shop: {error}", file=sys.stderr)
        raise SystemExit(2) from None


@dataclass(frozen=True)
class Reader:
    """Reads one variable at a time. Without a default a variable is required; an empty one counts as not set."""

    env: Mapping[str, str]

    def text(self, name: str, default: str | None = None) -> str:
        """The variable `name`, unconverted."""
        found = self.env.get(name) or default
        if found is None:
            raise ConfigError(f"{name}: required, and not set")
        return found

    def value(self, name: str, convert: Callable[[str], T], expected: str, *default: T) -> T:
        """The variable `name`, converted by `convert`, which raises ValueError for text that is not `expected`."""
        if default and not self.env.get(name):
            return default[0]
        found = self.text(name)
        try:
            return convert(found)
        except ValueError:
            raise ConfigError(f"{name}: expected {expected}, found {found!r}") from None

    def choice(self, name: str, choices: tuple[str, ...], default: str) -> str:
        """The variable `name`, which must be one of `choices`."""
        found = self.text(name, default)
        if found not in choices:
            raise ConfigError(f"{name}: expected {' or '.join(choices)}, found {found!r}")
        return found

    def url(self, name: str, schemes: tuple[str, ...], default: str | None = None) -> str:
        """The variable `name`, a URL with one of `schemes`. The error does not repeat it whole: it may hold a password."""
        found = self.text(name, default) if default is None else self.env.get(name, default)
        scheme = found.partition("://")[0]
        if found and scheme not in schemes:
            raise ConfigError(
                f"{name}: expected a URL that begins with {' or '.join(f'{s}://' for s in schemes)}, found {scheme[:16]!r}…"
            )
        return found


def _sale(text: str) -> str:
    if not SALE.fullmatch(text):
        raise ValueError(text)
    return text


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < math.inf:
        raise ValueError(text)
    return number


def _between(low: int, high: int) -> Callable[[str], int]:
    def convert(text: str) -> int:
        number = int(text)
        if not low <= number <= high:
            raise ValueError(text)
        return number

    return convert


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(text)
    return moment
