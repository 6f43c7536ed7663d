"""A list of Redis that orders are pushed to and popped from."""

from loadtest.errors import UsageError
from loadtest.ledger.connections import connect_redis
from loadtest.ledger.messages import number_in_entry
from loadtest.ledger.queue import Depth, Entries, ours_among
from loadtest.manifest.order_queue import Queue
from loadtest.stack.external import without_password


class ListQueue:
    """See `QueueReader`. *Warning:* a worker that has popped an entry holds it where nobody sees it."""

    late_s = 0.0

    def __init__(self, url: str, queue: Queue) -> None:
        self._redis = connect_redis(url)
        self._url = url
        self._queue = queue

    @property
    def place(self) -> str:
        """See `QueueReader`."""
        return f"the list {self._queue.name!r} on {without_password(self._url)}"

    def depth(self) -> Depth:
        """The length of the list, without entries that do not name the task."""
        length = int(self._redis.llen(self._queue.name))
        if self._queue.task is None:
            return Depth(length, 0)
        return Depth(ours_among(length, self._peek, self._is_order), 0)

    def held(self) -> int | None:
        """None that anybody sees."""
        return 0

    def entries(self) -> Entries:
        """Order numbers from the entries themselves."""
        for text in self._peek(0, -1):
            if self._is_order(text):
                yield number_in_entry(text, self._queue.number), "ready"

    def check(self) -> None:
        """See `QueueReader`."""
        found = str(self._redis.type(self._queue.name))
        if found not in ("none", "list"):
            hint = "say redis_stream" if found == "stream" else "mend its name"
            raise UsageError(f"queue.name = {self._queue.name!r}: expected a Redis list, found a {found}; {hint}")

    def unheard(self) -> str:
        """See `QueueReader`. An empty list is no key, so that nobody can tell."""
        return ""

    def close(self) -> None:
        """Give the connection back."""
        self._redis.close()

    def _peek(self, first: int, last: int) -> list[str]:
        return [str(text) for text in self._redis.lrange(self._queue.name, first, last)]

    def _is_order(self, text: str) -> bool:
        return self._queue.task is None or self._queue.task in text
