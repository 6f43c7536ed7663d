"""A bound on the rows that tasks can write in any one second.

A pace bounds starts only: a task that is slow writes its row in the same second as tasks that started after it.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from time import monotonic
from typing import Any

from celery.worker.state import active_requests, reserved_requests

SOON_S = 0.01  # seconds between two checks whether a running task has ended
# After a lost connection Celery forgets tasks that wait in its pool, and some run all the same. So long they count as running.
ADRIFT_S = 2.0


def under_way(request: Any) -> bool:
    """Whether Celery has handed the request to its pool, and has not heard of its end."""
    return request in reserved_requests or request in active_requests


@dataclass(slots=True)
class Started:
    """Tasks that started together, as one batch. They count as running until `until_s`, and then while one of them runs."""

    orders: list[Any]
    until_s: float = -math.inf


class Felt:
    """Counts the tasks that run or ended less than a second ago, so that no second holds more than `most` of their rows.

    A task writes its row between its start and its end. Take the tasks whose rows fall into one second, and of them the one that started last:
    when it started, each of the others was running or had ended less than a second before. So it is enough that no start
    takes this count above `most`. A task counts as ended from the first check that finds it so, which errs on the safe side.

    What the database has felt does not change with the limit, nor with the connection to the broker: the count outlives both.

    Args:
        most: rows a second; infinite: no bound, and nothing is counted.
        runs: whether a task, as given to `begin`, still runs. As shipped: whether Celery has it under way.
        clock: seconds.
    """

    def __init__(
        self, most: float, runs: Callable[[Any], bool] = under_way, clock: Callable[[], float] = monotonic
    ) -> None:
        self._bounds = [(-math.inf, most)]  # of the last second: since when, and rows a second
        self._runs = runs
        self._clock = clock
        self._running: list[Started] = []
        self._ended: deque[tuple[float, int]] = deque()  # when a batch was found to have ended, and its number of tasks
        self._felt = 0  # the tasks in both

    def begin(self, orders: list[Any]) -> None:
        """Note that `orders` start now, as one batch."""
        if self._bounds[-1][1] < math.inf:
            self._running.append(Started(orders))
            self._felt += len(orders)

    def has_room(self, together: int = 1) -> bool:
        """Whether `together` tasks may start now, or `most` of them if that is fewer."""
        self._look()
        return all(felt + min(together, most) <= most for felt, most in self._seconds())

    def when(self) -> float:
        """When to ask again after `has_room` was False, on `clock`."""
        return self._ended[0][0] + 1 if self._ended else self._clock() + SOON_S

    def change(self, most: float, running: Iterable[Any]) -> None:
        """Count on with another bound. `running` are the tasks that run now, for those that started while there was no bound.

        A second that begins before the change may hold as many rows as the higher of both bounds allows, one that begins after it only as many as
        the new one does.
        """
        self._look()
        self._bounds.append((self._clock(), most))
        known = {id(order) for started in self._running for order in started.orders}
        for order in running:
            if id(order) not in known:
                self.begin([order])

    def drift(self) -> None:
        """Note that the connection to the broker was lost: from now on Celery may say of a task that runs that it does not, for ADRIFT_S."""
        until_s = self._clock() + ADRIFT_S
        for started in self._running:
            started.until_s = until_s

    def _seconds(self) -> list[tuple[int, float]]:
        """The seconds that a row of now may fall into, by the bound in force when they began: rows felt in each, and the most it may hold."""
        while len(self._bounds) > 1 and self._bounds[1][0] <= self._clock() - 1:
            del self._bounds[0]
        found, most = [(self._felt, max(most for _, most in self._bounds))], 0.0
        for since_s, bound in reversed(self._bounds[1:]):
            most = max(most, bound)
            found.append((self._felt - sum(count for at_s, count in self._ended if at_s <= since_s), most))
        return found

    def _look(self) -> None:
        now, running = self._clock(), []
        for started in self._running:
            if now < started.until_s or any(map(self._runs, started.orders)):
                running.append(started)
            else:
                self._ended.append((now, len(started.orders)))
        self._running = running
        while self._ended and self._ended[0][0] + 1 <= now:
            self._felt -= self._ended.popleft()[1]
