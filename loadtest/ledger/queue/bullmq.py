"""BullMQ's queue, as its documentation and its scripts keep it: job ids in lists and sorted sets, each job a hash.

bull:NAME:wait, :active, :paused   lists of ids        bull:NAME:delayed, :prioritized   sorted sets of ids
bull:NAME:ID                       a hash with `name` and `data` (JSON)                   bull:NAME:meta   a hash that every queue has
"""

from collections.abc import Iterable, Sequence

from loadtest.errors import UsageError
from loadtest.ledger.connections import connect_redis
from loadtest.ledger.messages import number_in_entry
from loadtest.ledger.queue import Depth, Entries, State, ours_among
from loadtest.manifest.order_queue import Queue
from loadtest.stack.external import without_password

LISTS, SETS = ("wait", "paused", "active"), ("prioritized", "delayed")
# BullMQ 4 keeps an entry among the ids that is none, so that idle workers wake up.
MARKER = "0:"


class BullQueue:
    """See `QueueReader`. `name` may come with another prefix than BullMQ's own, as ``prefix:name``."""

    late_s = 0.0

    def __init__(self, url: str, queue: Queue) -> None:
        self._redis = connect_redis(url)
        self._url = url
        self._queue = queue
        self._key = queue.name if ":" in queue.name else f"bull:{queue.name}"

    @property
    def place(self) -> str:
        """See `QueueReader`."""
        return f"the queue {self._key!r} on {without_password(self._url)}"

    def depth(self) -> Depth:
        """Jobs that wait, also those that were paused, have a priority, or wait to be tried again; and jobs that a worker has."""
        *ready, active = (self._count(state) for state in ("wait", "paused", "prioritized", "delayed", "active"))
        return Depth(sum(ready), active)

    def held(self) -> int | None:
        """Jobs that a worker has."""
        return self._count("active")

    def entries(self) -> Entries:
        """Order numbers from the data of the jobs."""
        states: dict[str, State] = {
            "delayed": "scheduled", "prioritized": "ready", "paused": "ready", "wait": "ready", "active": "unacked",
        }  # fmt: skip
        for where, state in states.items():
            for name, data in self._jobs(self._ids(where, 0, -1)):
                if self._queue.task in (None, name):
                    yield number_in_entry(data or "", self._queue.number), state

    def check(self) -> None:
        """See `QueueReader`."""
        found = str(self._redis.type(f"{self._key}:wait"))
        if found not in ("none", "list"):
            raise UsageError(
                f"queue.name = {self._queue.name!r}: expected a queue of BullMQ, whose wait is a list, found a {found}"
            )

    def unheard(self) -> str:
        """Whoever opens a queue, to add or to work, writes its `meta`."""
        if self._redis.exists(f"{self._key}:meta"):
            return ""
        prefix = self._key.rpartition(":")[0]
        names = sorted(str(key)[len(prefix) + 1 : -len(":meta")] for key in self._redis.scan_iter(f"{prefix}:*:meta"))
        there = f"found {', '.join(names)}; say which of these has the orders" if names else "found none; mend its name"
        return f"queue.name = {self._queue.name!r}: expected a queue of BullMQ with that name, {there}"

    def close(self) -> None:
        """Give the connection back."""
        self._redis.close()

    def _count(self, where: str) -> int:
        key = f"{self._key}:{where}"
        length = int(self._redis.llen(key) if where in LISTS else self._redis.zcard(key))
        if where in LISTS and length and str(self._redis.lindex(key, -1)).startswith(MARKER):
            length -= 1
        if self._queue.task is None or not length:
            return length
        names: dict[str, str | None] = {}

        def peek(first: int, last: int) -> Sequence[str]:
            ids = self._ids(where, first, last)
            names.update(zip(ids, (name for name, _ in self._jobs(ids)), strict=True))
            return ids

        return ours_among(length, peek, lambda each: names[each] == self._queue.task)

    def _ids(self, where: str, first: int, last: int) -> list[str]:
        key = f"{self._key}:{where}"
        ids: Iterable[object] = (
            self._redis.lrange(key, first, last) if where in LISTS else self._redis.zrange(key, first, last)
        )
        return [text for text in map(str, ids) if not text.startswith(MARKER)]

    def _jobs(self, ids: Sequence[str]) -> list[tuple[str | None, str | None]]:
        """Name and data of each job; None of one that is gone meanwhile."""
        with self._redis.pipeline(transaction=False) as pipeline:
            for each in ids:
                pipeline.hmget(f"{self._key}:{each}", "name", "data")
            return [(name, data) for name, data in pipeline.execute()]
