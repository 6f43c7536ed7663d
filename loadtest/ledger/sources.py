"""Reads the sets of the ledger from the shop's own stores, at the places that its manifest declares."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TypeGuard

from loadtest.ledger.command_sources import CommandStore
from loadtest.ledger.database_clock import DatabaseClock
from loadtest.ledger.redis_sources import RedisStore
from loadtest.ledger.rows import Row
from loadtest.ledger.sql_sources import SqlStore
from loadtest.manifest.final import Source
from loadtest.stack import Services
from loadtest.stack.whereabouts import Whereabouts


@dataclass
class Reader:
    """Reads the sources of one sale of `stock` units. Connections open on first use; it raises the errors of SQLAlchemy and redis-py.

    `truth` is the URL of the database that SQL is run on, by default Postgres's among the services. `whereabouts` fills and runs commands.
    """

    services: Services
    sale: str
    stock: int
    truth: str = ""
    whereabouts: Whereabouts | None = None

    @cached_property
    def database(self) -> SqlStore:
        """The database that SQL is run on."""
        return SqlStore(self.truth or self.services.postgres, {"sale": self.sale, "stock": self.stock})

    @cached_property
    def redis(self) -> RedisStore:
        """The Redis that keys are read from."""
        return RedisStore(self.services.redis, self.sale)

    @cached_property
    def commands(self) -> CommandStore:
        """What runs commands."""
        return CommandStore(self.whereabouts or Whereabouts(self.services, {}, {}))

    def count(self, source: Source | None) -> int:
        """The size of the set; of a Redis value, the integer that it holds; 0 for None, a set that the shop does not have."""
        return self.counts(source)[0]

    def counts(self, *sources: Source | None) -> list[int]:
        """The `count` of each source, in order. All that are in Redis take one round trip."""
        sizes = iter(self.redis.sizes([source for source in sources if _in_redis(source)]))
        return [next(sizes) if _in_redis(source) else self._count(source) for source in sources]

    def units(self, rows: Source) -> int:
        """How many units the stored orders take together."""
        match rows.kind:
            case "sql":
                return self.database.units(rows)
            case "command":
                return self.commands.units(rows, _where("rows"))
            case _:
                return self.count(rows)

    def left(self, source: Source) -> int:
        """How many units are left, as the shop itself says: the one number that SQL or a command gives, or the size of a key.

        Raises:
            UsageError: it gives something else.
        """
        match source.kind:
            case "sql":
                return self.database.number(source, _where("left"))
            case "command":
                return self.commands.number(source, _where("left"))
            case _:
                return self.count(source)

    def numbers(self, source: Source | None) -> Iterator[str]:
        """Every number of the set."""
        for number, _ in self.pairs(source):
            yield number

    def pairs(self, source: Source | None) -> Iterator[tuple[str, str | None]]:
        """Every number of the set with its buyer; None where the set has no buyers."""
        if source is not None:
            for number, buyer in self._pairs(source):
                yield str(number), buyer

    def rows(self, source: Source) -> Iterator[Row]:
        """Every stored order, with its time of creation by the clock of whoever wrote it.

        Raises:
            UsageError: a column is misnamed, or `created_at` is no moment.
        """
        match source.kind:
            case "sql":
                yield from self.database.rows(source)
            case "command":
                yield from self.commands.rows(source, _where("rows"))
            case _:
                for number, buyer in self.redis.pairs(source):
                    yield Row(number, buyer)

    def columns(self, rows: Source) -> frozenset[str] | None:
        """Which columns the stored orders have, of those that are known; None where there is no order yet that would tell."""
        match rows.kind:
            case "sql":
                return self.database.columns(rows)
            case "command":
                return self.commands.columns(rows, _where("rows"))
            case _:
                return frozenset({"number", "buyer"})

    def clock(self, source: Source) -> DatabaseClock | None:
        """The clock that the times of `source` are by; None where it has no times, or nobody can be asked for the time."""
        return self.database.clock() if source.kind == "sql" else None

    def check(self, name: str, source: Source | None) -> None:
        """Look whether `source`, which the manifest has as `name` under [final], can be read at all.

        Raises:
            NotThere: its table is not there, which the shop may yet make.
            UsageError: it cannot, whatever the shop does.
        """
        if source is None or source.kind == "pattern":
            return
        match source.kind:
            case "sql":
                self.database.check(name, source)
            case "command":
                self.commands.check(name, source, _where(name))
            case _:
                self.redis.check(name, source)

    def close(self) -> None:
        """Give the connections back."""
        for opened in ("database", "redis"):
            if opened in self.__dict__:
                getattr(self, opened).close()

    def _count(self, source: Source | None) -> int:
        if source is None:
            return 0
        match source.kind:
            case "pattern":
                return self.stock
            case "command":
                return self.commands.count(source, "[final]")
            case _:
                return self.database.count(source)

    def _pairs(self, source: Source) -> Iterator[tuple[str | None, str | None]]:
        match source.kind:
            case "sql":
                return self.database.pairs(source)
            case "command":
                return self.commands.pairs(source, "[final]")
            case "pattern":
                pattern = (source.pattern or "").replace("{sale}", self.sale)
                return ((pattern.format(n=n), None) for n in range(1, self.stock + 1))
            case _:
                return iter(self.redis.pairs(source))


def _where(name: str) -> str:
    return f"[final] {name}"


def _in_redis(source: Source | None) -> TypeGuard[Source]:
    return source is not None and source.kind.startswith("redis_")
