"""Reads sets of the ledger from keys of Redis."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import redis

from loadtest.errors import UsageError
from loadtest.experiment.names import fill
from loadtest.ledger.connections import connect_redis
from loadtest.ledger.rows import whole
from loadtest.manifest.final import REDIS_KINDS, Source

PAGE = 10_000


@dataclass
class RedisStore:
    """The Redis at `url`. The connection opens on first use; it raises the errors of redis-py."""

    url: str
    sale: str
    _client: "redis.Redis | None" = field(default=None, init=False)

    @property
    def client(self) -> redis.Redis:
        """The connection."""
        if self._client is None:
            self._client = connect_redis(self.url)
        return self._client

    def sizes(self, sources: Sequence[Source]) -> list[int]:
        """The size of each, in one round trip; of a value, the integer that it holds."""
        if not sources:
            return []
        with self.client.pipeline(transaction=False) as pipeline:
            size: dict[str, Callable[[str], Any]] = {
                "list": pipeline.llen, "set": pipeline.scard, "sorted_set": pipeline.zcard, "hash": pipeline.hlen, "value": pipeline.get,
            }  # fmt: skip
            for source in sources:
                size[_kind(source)](self._key(source))
            return [int(answer or 0) for answer in pipeline.execute()]

    def pairs(self, source: Source) -> Iterator[tuple[str, str | None]]:
        """Every number with its buyer; None where the key has no buyers."""
        key, client = self._key(source), self.client
        match _kind(source):
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

    def check(self, name: str, source: Source) -> None:
        """Look whether the key is of the type that the set `name` says. Raises UsageError where it is not; a key may yet come."""
        key, declared = self._key(source), _kind(source)
        found = str(self.client.type(key))
        if found not in ("none", REDIS_KINDS[declared]):
            kind = next((kind for kind, held in REDIS_KINDS.items() if held == found), None)
            remedy = f"say redis_{kind}" if kind else "no source reads that"
            raise UsageError(
                f"[final] {name}: redis_{declared} = {key!r}: expected a Redis {REDIS_KINDS[declared]}, found a {found}; {remedy}"
            )
        if declared == "value":
            whole(self.client.get(key) or 0, f"[final] {name}: redis_value = {key!r}")

    def close(self) -> None:
        """Give the connection back."""
        if self._client:
            self._client.close()

    def _key(self, source: Source) -> str:
        return fill(source.place, {"sale": self.sale}, f"final {source.kind}")


def _kind(source: Source) -> str:
    return source.kind.removeprefix("redis_")
