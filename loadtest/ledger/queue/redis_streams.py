"""A stream of Redis that a group of consumers reads orders from; without a group, whatever is in the stream waits."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from loadtest.errors import UsageError
from loadtest.experiment.names import nearest
from loadtest.ledger.connections import connect_redis
from loadtest.ledger.messages import number_in_entry
from loadtest.ledger.queue import Depth, Entries
from loadtest.manifest.order_queue import Queue
from loadtest.stack.external import without_password

PAGE = 1_000


class StreamQueue:
    """See `QueueReader`. `task` is the name of the group that places orders; without it, the group that is furthest behind counts."""

    late_s = 0.0

    def __init__(self, url: str, queue: Queue) -> None:
        self._redis = connect_redis(url)
        self._url = url
        self._queue = queue

    @property
    def place(self) -> str:
        """See `QueueReader`."""
        return f"the stream {self._queue.name!r} on {without_password(self._url)}"

    def depth(self) -> Depth:
        """Entries that the group has not been given yet, and entries that it has not acknowledged."""
        depths = [Depth(self._behind(group), int(group["pending"])) for group in self._groups()]
        if not depths:
            return Depth(0 if self._queue.task else int(self._redis.xlen(self._queue.name)), 0)
        return max(depths, key=lambda depth: depth.total)

    def held(self) -> int | None:
        """Entries that the group has not acknowledged."""
        return self.depth().unacked

    def entries(self) -> Entries:
        """Order numbers from the fields of the entries."""
        groups = self._groups()
        if not groups and not self._queue.task:
            yield from ((self._number(fields), "ready") for _, fields in self._after("0-0"))
        group = max(groups, key=lambda group: self._behind(group) + int(group["pending"]), default=None)
        if group is not None:
            yield from ((self._number(fields), "unacked") for fields in self._pending(str(group["name"])))
            last = str(group["last-delivered-id"])
            yield from ((self._number(fields), "ready") for _, fields in self._after(last))

    def check(self) -> None:
        """See `QueueReader`."""
        found = str(self._redis.type(self._queue.name))
        if found not in ("none", "stream"):
            hint = "say redis_list" if found == "list" else "mend its name"
            raise UsageError(f"queue.name = {self._queue.name!r}: expected a Redis stream, found a {found}; {hint}")

    def unheard(self) -> str:
        """See `QueueReader`. A group is made before anybody reads by it."""
        names = [str(group["name"]) for group in self._all_groups()]
        if self._queue.task is None or self._queue.task in names or not names:
            return ""
        return f"queue.task = {self._queue.task!r}: the stream has no such group; {nearest(self._queue.task, names)}"

    def close(self) -> None:
        """Give the connection back."""
        self._redis.close()

    def _all_groups(self) -> list[Mapping[str, Any]]:
        return list(self._redis.xinfo_groups(self._queue.name)) if self._redis.exists(self._queue.name) else []

    def _groups(self) -> list[Mapping[str, Any]]:
        return [group for group in self._all_groups() if self._queue.task in (None, str(group["name"]))]

    def _behind(self, group: Mapping[str, Any]) -> int:
        """How many entries the group has not been given. Redis tells it from 7.0 on, unless entries were deleted; else they are counted."""
        lag = group.get("lag")
        return int(lag) if lag is not None else sum(1 for _ in self._after(str(group["last-delivered-id"])))

    def _after(self, last: str) -> Iterator[tuple[str, Mapping[str, str]]]:
        """Every entry after the one with that id."""
        while page := self._redis.xrange(self._queue.name, f"({last}", "+", count=PAGE):
            for at, fields in page:
                yield str(at), _texts(fields)
            last = str(page[-1][0])

    def _pending(self, group: str) -> Iterator[Mapping[str, str]]:
        """The fields of every entry that the group holds; none of one that was deleted meanwhile."""
        first = "-"
        while page := self._redis.xpending_range(self._queue.name, group, first, "+", PAGE):
            for each in page:
                found = self._redis.xrange(self._queue.name, each["message_id"], each["message_id"])
                yield _texts(found[0][1] if found else None)
            first = f"({page[-1]['message_id']!s}"

    def _number(self, fields: Mapping[str, str]) -> str | None:
        return number_in_entry(json.dumps(dict(fields)), self._queue.number)


def _texts(fields: Mapping[Any, Any] | None) -> dict[str, str]:
    """The fields of an entry; none of one that was deleted."""
    return {str(name): str(value) for name, value in (fields or {}).items()}
