"""The tokens, and what Redis does to give them out."""

from loadtest.probes import Reading, Subject
from loadtest.sources import Reader, connect_redis


class RedisProbe:
    """Sizes of the sale's sets, memory, and commands."""

    def __init__(self, subject: Subject) -> None:
        self._redis = connect_redis(subject.services.redis)
        self._reader = Reader(subject.services, subject.sale, subject.stock)
        self._final = subject.final

    def read(self) -> Reading:
        """tokens, claims, memory_bytes; commands (a counter)."""
        with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.info("memory")
            pipeline.info("stats")
            memory, stats = pipeline.execute()
        return {
            "tokens": self._reader.count(self._final.tokens),
            "claims": self._reader.count(self._final.claims),
            "memory_bytes": memory["used_memory"],
            "commands": stats["total_commands_processed"],
        }

    def close(self) -> None:
        """Give connections back."""
        self._redis.close()
        self._reader.close()
