"""The probe of Redis: the sale's tokens and claims, and the server's memory and commands."""

import re

from loadtest.ledger.connections import connect_redis
from loadtest.probes import Reading, Subject, seldom


class RedisProbe:
    """Tokens and claims of the sale; memory and commands of the Redis server."""

    def __init__(self, subject: Subject) -> None:
        self._redis = connect_redis(subject.services.redis)
        # redis-py would parse about a hundred fields of INFO, which costs more than everything else here; two are needed.
        self._redis.set_response_callback("INFO", lambda text, **_: text)
        self._reader = subject.reader()
        sets = {"tokens": subject.final.tokens, "claims": subject.final.claims}
        # A command is not asked ten times a second.
        self._sets = {name: source for name, source in sets.items() if source and source.kind != "command"}
        self._figures_due = seldom()

    def read(self) -> Reading:
        """tokens and claims, if the shop has such; at one tick in `SELDOM` also memory_bytes, and commands (a counter)."""
        counts = self._reader.counts(*self._sets.values())
        return dict(zip(self._sets, map(float, counts), strict=True)) | (
            self._figures() if next(self._figures_due) else {}
        )

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
