"""A batch: several waiting tasks that one job of the pool runs together. Each is acknowledged, or returned to the queue, by itself.

celery-batches does the same, but acknowledges a batch that failed, leaves a batch whose child process was killed unacknowledged for as
long as the worker lives, and applies no rate limit.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from billiard.einfo import ExceptionInfo
from celery.concurrency.base import BasePool
from celery.exceptions import TaskRevokedError

Together = Callable[[list[tuple[Sequence[Any], Mapping[str, Any]]]], list[Exception | None]]


class Batch:
    """Several requests that the worker hands to its pool as if they were one.

    Args:
        requests: Celery's requests, all of one task.
        together: runs several calls of that task: takes a list of (args, kwargs), returns for each call None or the exception that
            it failed with. The pool's child processes must be able to import it.
    """

    def __init__(self, requests: Sequence[Any], together: Together) -> None:
        self.requests = requests
        self.together = together

    def execute_using_pool(self, pool: BasePool, **_: object) -> Any:
        """Called by Celery. Raises TaskRevokedError if every request is revoked, so that Celery frees the slot in the pool."""
        self.requests = [request for request in self.requests if not request.revoked()]
        if not self.requests:
            raise TaskRevokedError
        calls = [(request.args, request.kwargs) for request in self.requests]
        return pool.apply_async(
            self.together,
            args=(calls,),
            accept_callback=self._on_accepted,
            callback=self._on_done,
            error_callback=self._on_lost,
        )

    def _on_accepted(self, pid: int, at_s: float) -> None:
        for request in self.requests:
            request.on_accepted(pid, at_s)

    def _on_done(self, outcomes: list[Exception | None] | ExceptionInfo) -> None:
        if isinstance(outcomes, ExceptionInfo):  # the thread and greenlet pools pass this when they are stopped
            self._on_lost(outcomes)
            return
        for request, wrong in zip(self.requests, outcomes, strict=True):
            if wrong is None:
                request.on_success((0, None, 0.0))
            else:
                request.on_failure(_info(wrong))

    def _on_lost(self, info: ExceptionInfo) -> None:
        """The child process was killed: every request goes back to the queue, or with early acknowledgement is lost."""
        for request in self.requests:
            request.on_failure(info)


def _info(wrong: Exception) -> ExceptionInfo:
    try:
        raise wrong
    except type(wrong):
        return ExceptionInfo()
