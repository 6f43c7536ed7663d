"""The limiter: how fast workers may start orders.

Celery's own collapses under a backlog to 1–3 tasks a second: every message that finds no token adds a timer, every firing
adds it again, and the event loop fires ten timers and then sleeps (`celery.worker.consumer.consumer`, celery #5927). Here
each bucket has one armed timer, and is scheduled from when a task was due, not from when the timer got round to it: the
rate is met, and not only never exceeded.
"""

from collections import deque
from collections.abc import Callable
from threading import RLock
from time import monotonic
from typing import Any, Protocol

from celery.concurrency.solo import TaskPool as Solo
from celery.utils.time import rate
from celery.worker.consumer import Consumer as CeleryConsumer

AWAKE_S = 0.01  # between two looks whether every child is up


class Pace(Protocol):
    """Says when the next order may start. Not thread-safe: its bucket has a lock."""

    rate_per_s: float
    due_s: float | None  # when to ask again, on the clock of `time.monotonic`; None before the first unit

    def take(self, waiting: int = 1) -> bool:
        """Take one unit, if it is due; `waiting` orders would take one. Never raises, and never blocks for long."""

    def follow(self, earlier: "Pace") -> None:
        """Go on from where `earlier`, of another rate, stands: a new rate is no reason for a unit more."""


class Gcra:
    """The generic cell rate algorithm (ITU-T I.371; "virtual scheduling"), with lateness made up within `burst`.

    Any window of t seconds holds at most ``rate_per_s * t + burst`` units. A unit taken late by up to ``(burst - 1) / rate_per_s`` seconds
    does not delay the next one. The clock starts with the first unit, so that a sale does not begin with a burst.

    *Warning:* a burst of 1 makes up nothing; every late timer then lowers the rate.
    """

    def __init__(self, rate_per_s: float, burst: int, clock: Callable[[], float] = monotonic) -> None:
        self.rate_per_s = rate_per_s
        self.period_s = 1 / rate_per_s
        self.tolerance_s = (burst - 1) * self.period_s
        self.due_s: float | None = None  # on `clock`; None before the first unit
        self._clock = clock

    def take(self, waiting: int = 1) -> bool:  # noqa: ARG002 - one unit is as cheap as several
        """Take one unit, if it is due."""
        now = self._clock()
        due = now if self.due_s is None else max(self.due_s, now - self.tolerance_s)
        if due > now:
            return False
        self.due_s = due + self.period_s
        return True

    def follow(self, earlier: Pace) -> None:
        """The next unit is due when it was, but no later than one period of the new rate from now."""
        if earlier.due_s is not None:
            self.due_s = min(max(earlier.due_s, self._clock()), self._clock() + self.period_s)


class Bucket:
    """A pace, the tasks that wait for it, and the one timer that is armed for the first of them."""

    def __init__(self, pace: Pace) -> None:
        self.pace = pace
        self.contents: deque[tuple[Any, int]] = deque()
        self.timer: Any = None
        # With greenlets, or where Celery's timer is a thread, messages and timers come from different ones.
        self.lock = RLock()
        self.replaced = False

    def add(self, item: tuple[Any, int]) -> None:
        """Hold a task back. Called by Celery."""
        self.contents.append(item)

    def clear_pending(self) -> None:
        """Forget the held tasks: called by Celery when the connection is lost. The broker delivers them again."""
        with self.lock:
            self.contents.clear()
            self.disarm()

    def disarm(self) -> None:
        """Cancel the timer, if there is one."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class Consumer(CeleryConsumer):  # type: ignore[misc]
    """Celery's consumer with the limiter above; set through ``worker_consumer``.

    It limits every task that has a ``rate_limit``. The task's ``burst`` says how much lateness is made up, and its ``pace`` makes
    the Pace out of both; without one, each worker has a rate of its own. Right under every pool.
    """

    def bucket_for_task(self, type: Any) -> Bucket | None:  # noqa: A002 - Celery's name
        """The bucket of a task; None without a limit."""
        rate_per_s = rate(getattr(type, "rate_limit", None))
        if not rate_per_s:
            return None
        pace: Callable[[float, int], Pace] = getattr(type, "pace", Gcra)
        return Bucket(pace(rate_per_s, getattr(type, "burst", 1)))

    def call_soon_ack(self, p: Any, *args: Any, **kwargs: Any) -> Any:
        """Acknowledge. The solo pool at once: it has run the task in a timer of the event loop, and what is left there for *soon*
        waits for the loop's next event, up to a second.
        """
        if isinstance(self.pool, Solo):
            return p(*args, **kwargs)
        return super().call_soon_ack(p, *args, **kwargs)

    def _schedule_bucket_request(self, bucket: Bucket) -> None:
        """A task has come: Celery calls this for each one it holds back."""
        with bucket.lock:
            if bucket.replaced:
                self._hand_over(bucket)  # it was on its way here while the limit changed
            elif bucket.timer is None:
                self._release(bucket)

    def _release(self, bucket: Bucket) -> None:
        """Start every held task that is due, and arm the timer for the next."""
        with bucket.lock:
            bucket.timer = None
            if bucket.pace.due_s is None and not self._children_are_up():
                bucket.timer = self.timer.call_at(monotonic() + AWAKE_S, self._release, (bucket,))
                return
            try:
                while bucket.contents and bucket.pace.take(len(bucket.contents)):
                    request, _ = bucket.contents.popleft()
                    self._limit_move_to_pool(request)
            finally:
                if bucket.contents:
                    bucket.timer = self.timer.call_at(bucket.pace.due_s, self._release, (bucket,))

    def _children_are_up(self) -> bool:
        """Whether every child of the prefork pool takes orders.

        A worker that starts under a backlog has its first messages before its children are warm: orders that are let go meanwhile wait
        for the first child, and are then placed all at once, above the rate.
        """
        writes = self.pool.info.get("writes")  # of prefork alone, as ``inspect stats`` shows it
        return not isinstance(writes, dict) or writes["inqueues"]["total"] >= self.pool.num_processes

    def reset_rate_limits(self) -> None:
        """Make the buckets, and take over what the old ones held: else they would drain beside the new ones.

        Celery calls this at the start, and for every ``rate_limit`` by remote control, whichever task it names.
        """
        old = {name: bucket for name, bucket in self.task_buckets.items() if bucket}
        super().reset_rate_limits()
        for name, bucket in old.items():
            new = self.task_buckets[name]
            if new and new.pace.rate_per_s == bucket.pace.rate_per_s:
                self.task_buckets[name] = bucket
                continue
            with bucket.lock:
                if new:
                    new.pace.follow(bucket.pace)
                bucket.disarm()
                bucket.replaced = True
                self._hand_over(bucket, name)

    def _hand_over(self, bucket: Bucket, name: str | None = None) -> None:
        while bucket.contents:
            request, tokens = bucket.contents.popleft()
            successor = self.task_buckets[name or request.name]
            if successor is None:
                self._limit_move_to_pool(request)
            else:
                self._limit_task(request, successor, tokens)
