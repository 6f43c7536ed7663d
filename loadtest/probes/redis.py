"""The probe of Redis: the sale's tokens and claims, and the server's memory and commands."""

import re

from loadtest.ledger.connections import connect_redis
from loadtest.ledger.sources import Reader
from loadtest.probes import Reading, Subject, seldom


class RedisProbe:
    """Tokens and claims of the sale; memory and commands of the Redis server."""

    def __init__(self, subject: Subject) -> None:
        self._redis = connect_redis(subject.services.redis)
        # redis-py would parse about a hundred fields of INFO, which costs more than everything else here; two are needed.
        self._redis.set_response_callback("INFO", lambda text, **_: text)
        self._reader = Reader(subject.services, subject.sale, subject.stock)
        self._final = subject.final
        self._figures_due = seldom()

    def read(self) -> Reading:
        """tokens, claims; at one tick in `SELDOM` also memory_bytes, and commands (a counter)."""
        tokens, claims = self._reader.counts(self._final.tokens, self._final.claims)
        return {"tokens": tokens, "claims": claims} | (self._figures() if next(self._figures_due) else {})

    def _figures(self) -> dict[str, float]:
        with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.info("memory")
            pipeline.info("stats")
            memory, stats = pipeline.execute()
        return {
            "memory_bytes": _figure(memory, "used_memory"),
            "commands": _figure(stats, "total_commands_processed"),
        }

    def close(self) -> None:
        """Close its connections."""
        self._redis.close()
        self._reader.close()


def _figure(info: str, name: str) -> float:
    found = re.search(rf"^{name}:(\d+)", info, re.MULTILINE)
    if not found:
        raise ValueError(f"Redis's INFO does not tell {name}")
    return float(found[1])
