"""Reads the sets of the ledger from the shop's own stores, at the places that its manifest declares."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeGuard

import redis
import sqlalchemy as sa

from loadtest.errors import UsageError
from loadtest.experiment.names import fill
from loadtest.ledger.connections import connect_postgres, connect_redis
from loadtest.ledger.database_clock import DatabaseClock, read_clock
from loadtest.ledger.row_times import COLUMNS, selected
from loadtest.manifest.final import REDIS_KINDS, Source
from loadtest.manifest.placeholders import bindings
from loadtest.stack import Services

PAGE = 10_000
UNDEFINED_TABLE = "42P01"


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
            for row in self._sql(f"SELECT * FROM {_table(source)}"):
                yield str(row[0]), _text(row[1]) if len(row) > 1 else None
        elif source.pattern:
            for n in range(1, self.stock + 1):
                yield source.pattern.replace("{sale}", self.sale).format(n=n), None
        else:
            yield from self._redis_pairs(source)

    def rows(self, source: Source) -> Iterator[tuple[str, str | None, int | None]]:
        """Every stored order: number, buyer, and time of creation in nanoseconds since the epoch, by the database's clock; None where it has none.

        Raises:
            UsageError: a column is missing, or `created_at` is no moment.
        """
        if not source.sql:
            for number, buyer in self._redis_pairs(source):
                yield number, buyer, None
            return
        created_at, to_ns = selected(self._types(source)["created_at"])
        for number, buyer, created in self._sql(f"SELECT number, buyer, {created_at} FROM {_table(source)}"):
            yield str(number), _text(buyer), None if created is None else to_ns(created)

    def clock(self, source: Source) -> DatabaseClock | None:
        """The clock that the times of `source` are by; None where it has no times."""
        return read_clock(self._database()) if source.sql else None

    def check(self, name: str, source: Source | None) -> None:
        """Look whether `source`, which the manifest has as `name` under [final], can be read at all. What is not there yet is no mistake.

        Raises:
            UsageError: it cannot, whatever the shop does.
        """
        if source is None or source.pattern:
            return
        if _in_redis(source):
            self._check_key(name, source)
            return
        try:
            types = self._types(source) if name == "rows" else self._sql(f"SELECT FROM {_table(source)} LIMIT 0")
            if isinstance(types, dict):
                selected(types["created_at"])
        except sa.exc.ProgrammingError as error:
            if getattr(error.orig, "pgcode", None) != UNDEFINED_TABLE:
                raise UsageError(f"[final] {name}: {str(error.orig).splitlines()[0]}; mend its sql") from None

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
        return int(self._sql(f"SELECT count(*) FROM {_table(source)}")[0][0])

    def _redis_sizes(self, sources: Sequence[Source]) -> list[int]:
        if not sources:
            return []
        with self._client().pipeline(transaction=False) as pipeline:
            size: dict[str, Callable[[str], Any]] = {
                "list": pipeline.llen, "set": pipeline.scard, "sorted_set": pipeline.zcard, "hash": pipeline.hlen, "value": pipeline.get,
            }  # fmt: skip
            for source in sources:
                size[_redis_kind(source)](self._key(source))
            return [int(answer or 0) for answer in pipeline.execute()]

    def _redis_pairs(self, source: Source) -> Iterator[tuple[str, str | None]]:
        key, client = self._key(source), self._client()
        match _redis_kind(source):
            case "hash":
                # A scan may give a field twice while the hash is resized.
                yield from dict(client.hscan_iter(key, count=PAGE)).items()
            case "set":
                for number in set(client.sscan_iter(key, count=PAGE)):
                    yield number, None
            case "sorted_set":
                for start in range(0, int(client.zcard(key)), PAGE):
                    for number in client.zrange(key, start, start + PAGE - 1):
                        yield str(number), None
            case _:
                for start in range(0, int(client.llen(key)), PAGE):
                    for number in client.lrange(key, start, start + PAGE - 1):
                        yield str(number), None

    def _check_key(self, name: str, source: Source) -> None:
        key, declared = self._key(source), _redis_kind(source)
        found = str(self._client().type(key))
        if found not in ("none", REDIS_KINDS[declared]):
            kind = next((kind for kind, held in REDIS_KINDS.items() if held == found), None)
            remedy = f"say redis_{kind}" if kind else "no source reads that"
            raise UsageError(
                f"[final] {name}: redis_{declared} = {key!r}: expected a Redis {REDIS_KINDS[declared]}, found a {found}; {remedy}"
            )

    def _key(self, source: Source) -> str:
        return fill(source.place, {"sale": self.sale}, f"final {source.kind}")

    def _client(self) -> redis.Redis:
        if self._redis is None:
            self._redis = connect_redis(self.services.redis)
        return self._redis

    def _database(self) -> sa.Engine:
        if self._engine is None:
            self._engine = connect_postgres(self.services.postgres)
        return self._engine

    def _types(self, source: Source) -> dict[str, int]:
        """The columns of `source`, each with Postgres's identifier of its type. Raises UsageError where rows lack one."""
        with self._database().connect() as connection:
            found = self._executed(connection, f"SELECT * FROM {_table(source)} LIMIT 0")
            types = {column[0]: int(str(column[1])) for column in found.cursor.description or ()}
        if missing := [column for column in COLUMNS if column not in types]:
            raise UsageError(
                f"[final] rows: expected columns {', '.join(COLUMNS)}, found {', '.join(types)}; select what you call {missing[0]} AS {missing[0]}"
            )
        return types

    def _sql(self, statement: str) -> list[Any]:
        with self._database().connect() as connection:
            return list(self._executed(connection, statement))

    def _executed(self, connection: sa.Connection, statement: str) -> sa.CursorResult[Any]:
        values = {"sale": self.sale, "stock": self.stock}
        return connection.execute(sa.text(statement), {name: values[name] for name in bindings(statement)})


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _in_redis(source: Source | None) -> TypeGuard[Source]:
    return source is not None and not source.sql and not source.pattern


def _redis_kind(source: Source) -> str:
    return source.kind.removeprefix("redis_")


def _table(source: Source) -> str:
    """Its query as a table; it may end with a semicolon, or with a comment."""
    return f"({(source.sql or '').rstrip().removesuffix(';')}\n) AS source"
