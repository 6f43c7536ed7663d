"""What the database feels of a second: rows, not starts. One that is late comes beside those that are not."""

import math
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Any

from celery.worker.state import reserved_requests

SOON_S = 0.01  # between two looks whether an order has ended


class Felt:
    """How many orders can at most be felt in one second: those that ended in it, and those that run.

    A row is written between the start of its order and its end. So whichever order starts last of those whose rows one second holds, the
    others have ended less than a second before, or run: where it starts only if there is room beside them, no second holds more than `most`.
    An order counts as ended from the look on that finds it so.
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
        self._running: list[list[Any]] = []  # those that started together
        self._ended: deque[tuple[float, int]] = deque()  # when, and how many
        self._felt = 0  # all of them

    def begin(self, orders: list[Any]) -> None:
        """These start now, together."""
        if self._most < math.inf:
            self._running.append(orders)
            self._felt += len(orders)

    def has_room(self, together: int = 1) -> bool:
        """Whether so many may start now; as many as a second may hold, where that is less."""
        self._look()
        return self._felt + min(together, self._most) <= self._most

    def when(self) -> float:
        """When to ask again, after there was no room."""
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
