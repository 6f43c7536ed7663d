"""A Celery consumer whose rate limit holds under a backlog.

Celery's own collapses there to 1–3 tasks a second: every message that finds no token adds a timer, every firing
adds it again, and the event loop fires ten timers and then sleeps (`celery.worker.consumer.consumer`, celery #5927). Here
each bucket has one armed timer, and the next start is scheduled from when the last task was due, not from when its timer fired, so
that late timers do not lower the rate.

A pace (`target.limiter.pace`) limits how fast tasks start; `target.limiter.felt` limits how many can write in one second.
"""

import math
from collections import deque
from collections.abc import Callable
from functools import cached_property
from threading import RLock
from time import monotonic
from typing import Any

from celery.concurrency.solo import TaskPool as Solo
from celery.utils.time import rate
from celery.worker.consumer import Consumer as CeleryConsumer
from celery.worker.state import active_requests, reserved_requests, task_reserved

from target.limiter.batch import Batch, Together
from target.limiter.felt import Felt
from target.limiter.pace import Gcra, Pace, Unlimited

AWAKE_S = 0.01  # seconds between two checks whether every child process of the pool is up
GATHER_S = 0.02  # seconds that a task waits for others to fill its batch


class Bucket:
    """The tasks of one type that the limit holds back, their pace, and the one timer armed for the next start. Up to `batch` start together.

    `felt` outlives the bucket: the next one of the same task counts on with it.
    """

    def __init__(self, pace: Pace, batch: int = 1, together: Together | None = None, felt: Felt | None = None) -> None:
        self.pace = pace
        self.batch = batch
        self.together = together
        self.felt = felt or Felt(pace.most)
        self.contents: deque[tuple[Any, int]] = deque()
        self.gathered_s = 0.0  # on `monotonic`: until then an incomplete batch waits for more tasks
        self.timer: Any = None
        self.turn = 0
        # With greenlets, or where Celery's timer is a thread, messages and timers arrive in different greenlets or threads.
        self.lock = RLock()
        self.replaced = False

    def add(self, item: tuple[Any, int]) -> None:
        """Hold a task back. Called by Celery."""
        if not self.contents:
            self.gathered_s = monotonic() + GATHER_S
        self.contents.append(item)

    def take(self) -> list[Any]:
        """Remove and return the held tasks that are to start now, as one batch; empty while none may start."""
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
        """When to call `take` again after it returned nothing, on the clock of `time.monotonic`."""
        together = min(self.batch, len(self.contents))
        due_s = self.pace.when(together)
        if not self.felt.has_room(together):
            due_s = max(due_s, self.felt.when())
        return due_s if together == self.batch else max(due_s, self.gathered_s)

    def clear_pending(self) -> None:
        """Drop the held tasks. Called by Celery when the connection is lost: the broker delivers them again. Tasks that run, run on."""
        with self.lock:
            self.felt.drift()
            self.contents.clear()
            self.disarm()

    def disarm(self) -> None:
        """Cancel the timer, if there is one."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class Consumer(CeleryConsumer):  # type: ignore[misc]
    """Celery's consumer with this module's rate limit. To use it, set ``worker_consumer`` to its path. Works with every pool.

    It reads these attributes of a task (``task_annotations`` sets them):
        rate_limit: as in Celery, for example ``"50/s"``; a task without one is not limited.
        burst: how many tasks may start at once to make up lateness; 1 if not set.
        pace: makes a `Pace` from (rate per second, burst); if not set, `Gcra`: each worker has the whole rate for itself.
        batch: the most tasks that start as one `Batch`; 1 if not set. The limit counts each task.
        together: runs the calls of a batch, see `Batch`; without it the tasks of a batch run one by one.
    """

    def bucket_for_task(self, type: Any) -> Bucket | None:  # noqa: A002 - Celery's name
        """The bucket for tasks of `type`, Celery's task class; None if they have neither a rate limit nor batches."""
        rate_per_s, batch = rate(getattr(type, "rate_limit", None)), getattr(type, "batch", 1)
        together = getattr(type, "together", None)
        if not rate_per_s:
            return Bucket(Unlimited(), batch, together) if batch > 1 else None
        make: Callable[[float, int], Pace] = getattr(type, "pace", Gcra)
        pace = make(rate_per_s, getattr(type, "burst", 1))
        return Bucket(pace, batch, together, self._felt.setdefault(type.name, Felt(math.inf)))

    @cached_property
    def _felt(self) -> dict[str, Felt]:
        """What the database has felt of each limited task, by name: it outlives buckets, which a change of the limit makes anew."""
        return {}

    def call_soon_ack(self, p: Any, *args: Any, **kwargs: Any) -> Any:
        """Call `p`, which acknowledges a message, *soon*; with the solo pool at once.

        The solo pool has just run the task inside a timer of the event loop, where what is to run *soon* waits up to a second for
        the loop's next event.
        """
        if isinstance(self.pool, Solo):
            return p(*args, **kwargs)
        return super().call_soon_ack(p, *args, **kwargs)

    def _schedule_bucket_request(self, bucket: Bucket) -> None:
        """Called by Celery after it has added a task to `bucket`."""
        with bucket.lock:
            if bucket.replaced:
                self._hand_over(bucket)  # the limit changed while the task was on its way here
            elif bucket.timer is None or len(bucket.contents) == bucket.batch:
                bucket.disarm()  # the timer was armed for an incomplete batch, and is too late for a full one
                self._release(bucket)

    def _release(self, bucket: Bucket, turn: int | None = None) -> None:
        """Start every held task that is due, and arm the timer for the next. `turn`: the bucket's when the timer that calls was armed."""
        with bucket.lock:
            if turn not in (None, bucket.turn):
                return  # this timer fired just as another was armed for a full batch
            # Forgotten, not cancelled: with greenlets a timer that fired is the greenlet that runs this line, and cancelling would kill it.
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
        """Whether every child process of the prefork pool takes tasks; True for the other pools.

        A worker that starts under a backlog receives messages before its children are ready. Tasks started in that time would wait
        for the first child and then run all at once, above the rate.
        """
        writes = self.pool.info.get("writes")  # only prefork has it; ``inspect stats`` shows the same
        return not isinstance(writes, dict) or writes["inqueues"]["total"] >= self.pool.num_processes

    def reset_rate_limits(self) -> None:
        """Make the buckets anew, and move what the old ones hold into them: otherwise both would drain in parallel.

        Celery calls this at the start, and for every remote-control command ``rate_limit``, whichever task it names.
        """
        old = dict(self.task_buckets)
        super().reset_rate_limits()
        for name, new in self.task_buckets.items():
            bucket = old.get(name)
            if new and bucket and new.pace.rate_per_s == bucket.pace.rate_per_s:
                self.task_buckets[name] = bucket
                continue
            if new:
                new.felt.change(new.pace.most, self._running(name))
            if bucket is None:
                continue
            with bucket.lock:
                if new:
                    new.pace.follow(bucket.pace)
                bucket.disarm()
                bucket.replaced = True
                self._hand_over(bucket, name)

    def _running(self, name: str) -> list[Any]:
        return [request for request in {*reserved_requests, *active_requests} if request.name == name]

    def _hand_over(self, bucket: Bucket, name: str | None = None) -> None:
        while bucket.contents:
            request, tokens = bucket.contents.popleft()
            successor = self.task_buckets[name or request.name]
            if successor is None:
                self._limit_move_to_pool(request)
            else:
                self._limit_task(request, successor, tokens)
