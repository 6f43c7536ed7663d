"""The limiter: how fast workers may start orders.

Celery's own collapses under a backlog to 1–3 tasks a second: every message that finds no token adds a timer, every firing
adds it again, and the event loop fires ten timers and then sleeps (`celery.worker.consumer.consumer`, celery #5927). Here
each bucket has one armed timer, and is scheduled from when a task was due, not from when the timer got round to it: the
rate is met, and not only never exceeded.

A pace holds starts; `target.limiter.felt` holds rows.
"""

from collections import deque
from collections.abc import Callable
from threading import RLock
from time import monotonic
from typing import Any

from celery.concurrency.solo import TaskPool as Solo
from celery.utils.time import rate
from celery.worker.consumer import Consumer as CeleryConsumer
from celery.worker.state import task_reserved

from target.limiter.batch import Batch, Together
from target.limiter.felt import Felt
from target.limiter.pace import Gcra, Pace, Unlimited

AWAKE_S = 0.01  # between two looks whether every child is up
GATHER_S = 0.02  # an order waits so long for others, to start together


class Bucket:
    """A pace, the tasks that wait for it, and the one timer that is armed for the first of them. Up to `batch` of them start together."""

    def __init__(self, pace: Pace, batch: int = 1, together: Together | None = None) -> None:
        self.pace = pace
        self.batch = batch
        self.together = together
        self.felt = Felt(pace.most)
        self.contents: deque[tuple[Any, int]] = deque()
        self.gathered_s = 0.0  # until when those that wait are to wait for others
        self.timer: Any = None
        self.turn = 0
        # With greenlets, or where Celery's timer is a thread, messages and timers come from different ones.
        self.lock = RLock()
        self.replaced = False

    def add(self, item: tuple[Any, int]) -> None:
        """Hold a task back. Called by Celery."""
        if not self.contents:
            self.gathered_s = monotonic() + GATHER_S
        self.contents.append(item)

    def take(self) -> list[Any]:
        """The held tasks that may start now, together; none while nothing is due."""
        together = min(self.batch, len(self.contents))
        if together < self.batch and monotonic() < self.gathered_s:
            return []
        if not self.felt.has_room(together):
            return []
        taken = [self.contents.popleft()[0] for _ in range(self.pace.take(len(self.contents), together))]
        self.felt.begin(taken)
        if taken:
            self.gathered_s = monotonic() + GATHER_S
        return taken

    def when(self) -> float:
        """When to look again, after nothing was due."""
        together = min(self.batch, len(self.contents))
        due_s = self.pace.when(together)
        if not self.felt.has_room(together):
            due_s = max(due_s, self.felt.when())
        return due_s if together == self.batch else max(due_s, self.gathered_s)

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
    the Pace out of both; without one, each worker has a rate of its own. Up to ``batch`` of them start as one `Batch`; the limit
    counts each. Right under every pool.
    """

    def bucket_for_task(self, type: Any) -> Bucket | None:  # noqa: A002 - Celery's name
        """The bucket of a task; None if it waits for nothing."""
        rate_per_s, batch = rate(getattr(type, "rate_limit", None)), getattr(type, "batch", 1)
        together = getattr(type, "together", None)
        if not rate_per_s:
            return Bucket(Unlimited(), batch, together) if batch > 1 else None
        pace: Callable[[float, int], Pace] = getattr(type, "pace", Gcra)
        return Bucket(pace(rate_per_s, getattr(type, "burst", 1)), batch, together)

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
            elif bucket.timer is None or len(bucket.contents) == bucket.batch:
                bucket.disarm()  # it does not know of a batch that is full
                self._release(bucket)

    def _release(self, bucket: Bucket, turn: int | None = None) -> None:
        """Start every held task that is due, and arm the timer for the next. A timer says whose `turn` it was armed for."""
        with bucket.lock:
            if turn not in (None, bucket.turn):
                return  # it fired while a batch became full, and another was armed
            # Not disarmed: a timer that fires is, with greenlets, the one that runs here.
            bucket.timer = None
            bucket.turn += 1
            if bucket.pace.due_s is None and not self._children_are_up():
                bucket.timer = self.timer.call_at(monotonic() + AWAKE_S, self._release, (bucket, bucket.turn))
                return
            try:
                while bucket.contents and (taken := bucket.take()):
                    self._start(taken, bucket.together)
            finally:
                if bucket.contents:
                    bucket.timer = self.timer.call_at(bucket.when(), self._release, (bucket, bucket.turn))

    def _start(self, requests: list[Any], together: Together | None) -> None:
        if len(requests) == 1 or together is None:
            for request in requests:
                self._limit_move_to_pool(request)
            return
        for request in requests:
            task_reserved(request)
        self.on_task_request(Batch(requests, together))

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
