"""A bound on the rows that tasks can write in any one second.

A pace bounds starts only: a task that is slow writes its row in the same second as tasks that started after it.
"""

import math
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Any

from celery.worker.state import reserved_requests

SOON_S = 0.01  # seconds between two checks whether a running task has ended


class Felt:
    """Counts the tasks that run or ended less than a second ago, so that no second holds more than `most` of their rows.

    A task writes its row between its start and its end. Take the tasks whose rows fall into one second, and of them the one that started last:
    when it started, each of the others was running or had ended less than a second before. So it is enough that no start
    takes this count above `most`. A task counts as ended from the first check that finds it so, which errs on the safe side.

    Args:
        most: rows a second; infinite: no bound, and nothing is counted.
        runs: whether a task, as given to `begin`, still runs. As shipped: whether Celery still has the request reserved.
        clock: seconds.
    """

    def __init__(
        self,
        most: float,
        runs: Callable[[Any], bool] = reserved_requests.__contains__,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._most = most
        self._runs = runs
        self._clock = clock
        self._running: list[list[Any]] = []  # running tasks, a list for each batch that started together
        self._ended: deque[tuple[float, int]] = deque()  # when a batch was found to have ended, and its number of tasks
        self._felt = 0  # the tasks in both

    def begin(self, orders: list[Any]) -> None:
        """Note that `orders` start now, as one batch."""
        if self._most < math.inf:
            self._running.append(orders)
            self._felt += len(orders)

    def has_room(self, together: int = 1) -> bool:
        """Whether `together` tasks may start now, or `most` of them if that is fewer."""
        self._look()
        return self._felt + min(together, self._most) <= self._most

    def when(self) -> float:
        """When to ask again after `has_room` was False, on `clock`."""
        return self._ended[0][0] + 1 if self._ended else self._clock() + SOON_S

    def _look(self) -> None:
        now, running = self._clock(), []
        for orders in self._running:
            if any(map(self._runs, orders)):
                running.append(orders)
            else:
                self._ended.append((now, len(orders)))
        self._running = running
        while self._ended and self._ended[0][0] + 1 <= now:
            self._felt -= self._ended.popleft()[1]
