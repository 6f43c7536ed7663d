"""Reads the sets of the ledger from the shop's own stores, at the places that its manifest declares."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeGuard

import redis
import sqlalchemy as sa
from redis.backoff import NoBackoff
from redis.retry import Retry

from loadtest.experiment.names import fill
from loadtest.manifest.shop import Source
from loadtest.stack import Services

TIMEOUT_S = 5.0
PAGE = 10_000


def connect_redis(url: str) -> redis.Redis:
    """A client that never retries: by default redis-py would retry up to ten times, and hide a fault."""
    return redis.Redis.from_url(
        url,
        decode_responses=True,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
    )


def connect_postgres(url: str) -> sa.Engine:
    """An engine of one connection, in autocommit, with a statement timeout of 6 × `TIMEOUT_S`."""
    address = url.partition("://")[2]  # SQLAlchemy knows no postgres://, and takes another driver for postgresql://
    return sa.create_engine(
        f"postgresql+psycopg2://{address}",
        isolation_level="AUTOCOMMIT",
        pool_size=1,
        max_overflow=0,
        connect_args={
            "connect_timeout": int(TIMEOUT_S),
            "application_name": "loadtest",
            "options": f"-c statement_timeout={int(TIMEOUT_S * 6000)}",
        },
    )


@dataclass
class Reader:
    """Reads the sources of one sale of `stock` units. Connections open on first use; it raises the errors of SQLAlchemy and redis-py."""

    services: Services
    sale: str
    stock: int
    _engine: sa.Engine | None = field(default=None, init=False)
    _redis: "redis.Redis | None" = field(default=None, init=False)

    def count(self, source: Source | None) -> int:
        """The size of the set; of a Redis value, the integer that it holds; 0 for None, a set that the shop does not have."""
        return self.counts(source)[0]

    def counts(self, *sources: Source | None) -> list[int]:
        """The `count` of each source, in order. All that are in Redis take one round trip."""
        sizes = iter(self._redis_sizes([source for source in sources if _in_redis(source)]))
        return [next(sizes) if _in_redis(source) else self._count(source) for source in sources]

    def numbers(self, source: Source | None) -> Iterator[str]:
        """Every number of the set."""
        for number, _ in self.pairs(source):
            yield number

    def pairs(self, source: Source | None) -> Iterator[tuple[str, str | None]]:
        """Every number of the set with its buyer; None where the set has no buyers."""
        if source is None:
            return
        if source.sql:
            for row in self._sql(source.sql):
                yield str(row[0]), str(row[1]) if len(row) > 1 else None
        elif source.pattern:
            for n in range(1, self.stock + 1):
                yield source.pattern.replace("{sale}", self.sale).format(n=n), None
        else:
            yield from self._redis_pairs(source)

    def rows(self, source: Source) -> Iterator[tuple[str, str, int]]:
        """Every stored order: number, buyer, and time of creation in nanoseconds since the epoch.

        *Warning:* a source without a column `created_at` fails.
        """
        sql = f"SELECT number, buyer, (extract(epoch FROM created_at) * 1000000)::bigint FROM ({source.sql}) AS source"
        for number, buyer, micros in self._sql(sql):
            yield str(number), str(buyer), int(micros) * 1000

    def close(self) -> None:
        """Give the connections back."""
        if self._engine:
            self._engine.dispose()
        if self._redis:
            self._redis.close()

    def _count(self, source: Source | None) -> int:
        if source is None:
            return 0
        if source.pattern:
            return self.stock
        return int(self._sql(f"SELECT count(*) FROM ({source.sql}) AS source")[0][0])

    def _redis_sizes(self, sources: Sequence[Source]) -> list[int]:
        if not sources:
            return []
        with self._client().pipeline(transaction=False) as pipeline:
            size: dict[str, Callable[[str], Any]] = {
                "list": pipeline.llen, "set": pipeline.scard, "hash": pipeline.hlen, "value": pipeline.get,
            }  # fmt: skip
            for source in sources:
                size[_redis_kind(source)](self._key(source))
            return [int(answer or 0) for answer in pipeline.execute()]

    def _redis_pairs(self, source: Source) -> Iterator[tuple[str, str | None]]:
        key, client = self._key(source), self._client()
        match _redis_kind(source):
            case "hash":
                for number, buyer in client.hscan_iter(key, count=PAGE):
                    yield number, buyer
            case "set":
                for number in client.sscan_iter(key, count=PAGE):
                    yield number, None
            case _:
                for start in range(0, int(client.llen(key)), PAGE):
                    for number in client.lrange(key, start, start + PAGE - 1):
                        yield str(number), None

    def _key(self, source: Source) -> str:
        name, key = next((n, k) for n, k in source.model_dump(exclude_none=True).items())
        return fill(key, {"sale": self.sale}, f"final {name}")

    def _client(self) -> redis.Redis:
        if self._redis is None:
            self._redis = connect_redis(self.services.redis)
        return self._redis

    def _sql(self, statement: str) -> list[Any]:
        if self._engine is None:
            self._engine = connect_postgres(self.services.postgres)
        with self._engine.connect() as connection:
            bound = {"sale": self.sale} if ":sale" in statement else {}
            return list(connection.execute(sa.text(statement), bound))


def _in_redis(source: Source | None) -> TypeGuard[Source]:
    return source is not None and not source.sql and not source.pattern


def _redis_kind(source: Source) -> str:
    return next(iter(source.model_fields_set)).removeprefix("redis_")
