"""The limiter: how fast one worker may start orders.

Celery's own collapses under a backlog to 1–3 tasks a second: every message that finds no token adds a timer, every firing
adds it again, and the event loop fires ten timers and then sleeps (`celery.worker.consumer.consumer`, celery #5927). Here
each bucket has one armed timer, and is scheduled from when a task was due, not from when the timer got round to it: the
rate is met, and not only never exceeded.
"""

from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Any

from celery.utils.time import rate
from celery.worker.consumer import Consumer as CeleryConsumer

AWAKE_S = 0.01  # between two looks whether every child is up


class Gcra:
    """The generic cell rate algorithm (ITU-T I.371; "virtual scheduling"), with lateness made up within `burst`.

    Any window of t seconds holds at most ``rate_per_s * t + burst`` units. A unit taken late by up to ``(burst - 1) / rate_per_s`` seconds
    does not delay the next one. The clock starts with the first unit, so that a sale does not begin with a burst.

    *Warning:* a burst of 1 makes up nothing; every late timer then lowers the rate.
    """

    def __init__(self, rate_per_s: float, burst: int, clock: Callable[[], float] = monotonic) -> None:
        self.period_s = 1 / rate_per_s
        self.tolerance_s = (burst - 1) * self.period_s
        self.due_s: float | None = None  # on `clock`; None before the first unit
        self._clock = clock

    def take(self) -> bool:
        """Take one unit, if it is due."""
        now = self._clock()
        due = now if self.due_s is None else max(self.due_s, now - self.tolerance_s)
        if due > now:
            return False
        self.due_s = due + self.period_s
        return True


class Bucket(Gcra):
    """A Gcra, the tasks that wait for it, and the one timer that is armed for the first of them."""

    def __init__(self, rate_per_s: float, burst: int) -> None:
        super().__init__(rate_per_s, burst)
        self.contents: deque[tuple[Any, int]] = deque()
        self.timer: Any = None

    def add(self, item: tuple[Any, int]) -> None:
        """Hold a task back. Called by Celery."""
        self.contents.append(item)

    def clear_pending(self) -> None:
        """Forget the held tasks: called by Celery when the connection is lost. The broker delivers them again."""
        self.contents.clear()
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class Consumer(CeleryConsumer):  # type: ignore[misc]
    """Celery's consumer with the limiter above; set through ``worker_consumer``.

    It limits every task that has a ``rate_limit``; the task's ``burst`` says how much lateness is made up. For pools that
    the worker's event loop drives (prefork): it is not thread-safe.
    """

    def bucket_for_task(self, type: Any) -> Bucket | None:  # noqa: A002 - Celery's name
        """The bucket of a task; None without a limit."""
        rate_per_s = rate(getattr(type, "rate_limit", None))
        return Bucket(rate_per_s, getattr(type, "burst", 1)) if rate_per_s else None

    def _schedule_bucket_request(self, bucket: Bucket) -> None:
        """A task has come: Celery calls this for each one it holds back."""
        if bucket.timer is None:
            self._release(bucket)

    def _release(self, bucket: Bucket) -> None:
        """Start every held task that is due, and arm the timer for the next."""
        bucket.timer = None
        if bucket.due_s is None and not self._children_are_up():
            bucket.timer = self.timer.call_at(monotonic() + AWAKE_S, self._release, (bucket,))
            return
        try:
            while bucket.contents and bucket.take():
                request, _ = bucket.contents.popleft()
                self._limit_move_to_pool(request)
        finally:
            if bucket.contents:
                bucket.timer = self.timer.call_at(bucket.due_s, self._release, (bucket,))

    def _children_are_up(self) -> bool:
        """Whether every child of the prefork pool takes orders.

        A worker that starts under a backlog has its first messages before its children are warm: orders that are let go meanwhile wait
        for the first child, and are then placed all at once, above the rate.
        """
        writes = self.pool.info.get("writes")  # of prefork alone, as ``inspect stats`` shows it
        return not isinstance(writes, dict) or writes["inqueues"]["total"] >= self.pool.num_processes

    def reset_rate_limits(self) -> None:
        """Make the buckets, and take over what the old ones held: else they would drain beside the new ones."""
        old = dict(self.task_buckets)
        super().reset_rate_limits()
        for name, bucket in old.items():
            if not bucket:
                continue
            held = list(bucket.contents)
            bucket.clear_pending()
            for request, _ in held:
                self._hold_or_start(request, self.task_buckets[name])

    def _hold_or_start(self, request: Any, bucket: Bucket | None) -> None:
        if bucket is None:
            self._limit_move_to_pool(request)
        else:
            self._limit_task(request, bucket, 1)
