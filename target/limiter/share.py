"""One worker's share of a rate that several workers keep together, for as long as they cannot ask each other."""

import logging
import math
import re
from collections.abc import Callable
from time import monotonic, time
from zlib import crc32

log = logging.getLogger(__name__)


class Share:
    """Every `workers`-th start time of a grid that is the same for all workers: one each period of the whole rate, on the wall clock.

    So workers that all begin at the same instant do not start together, and in any t seconds all of them start at most ``rate_per_s * t + burst``
    orders, as many as with the budget. A start time that is missed by more than ``(burst - 1) / rate_per_s`` seconds is dropped.

    *Warning:* this takes wall clocks that agree, and a place of its own for each worker. Workers whose clocks differ by one period, or that have the same
    place, start together: each may add one order to the burst, but none to the rate.

    Args:
        rate_per_s: of all workers together.
        burst: of all workers together.
        workers: how many share the rate.
        place: which of them this one is, from 0.
        clock: what the caller goes by, seconds.
        wall: what all workers go by, seconds. Read only in `begin`, so that a clock that is set changes nothing meanwhile.
    """

    def __init__(
        self,
        rate_per_s: float,
        burst: int,
        workers: int,
        place: int = 0,
        clock: Callable[[], float] = monotonic,
        wall: Callable[[], float] = time,
    ) -> None:
        self.rate_per_s = rate_per_s / workers
        self._apart_s = workers / rate_per_s
        self._tolerance_s = (burst - 1) / rate_per_s
        self._phase_s = place / rate_per_s
        self._clock = clock
        self._wall = wall
        self._first_s = 0.0  # a start time of this worker, on `clock`
        self._used = -1  # the last start time used or dropped, counted from the first

    def begin(self, gap: int = 1) -> None:
        """Go by the wall clock from now on. The first start time is the next one after `gap` periods of this worker."""
        self._first_s = self._clock() - (self._wall() - self._phase_s) % self._apart_s
        self._used = gap

    def take(self) -> bool:
        """Whether a start time has come; it is then used."""
        now, following = self._clock(), self._following()
        if self._at(following) > now:
            return False
        self._used = following
        return True

    def when(self) -> float:
        """The next start time, on `clock`."""
        return self._at(self._following())

    def _at(self, n: int) -> float:
        return self._first_s + n * self._apart_s

    def _following(self) -> int:
        not_missed = math.ceil((self._clock() - self._tolerance_s - self._first_s) / self._apart_s)
        return max(self._used + 1, not_missed)


def place_of(node: str, workers: int) -> int:
    """The place of the worker with this node name among `workers`, from 0: the number that ends its name, as in ``worker-2@host``, less one."""
    name = node.partition("@")[0]
    number = re.search(r"\d+$", name)
    if number:
        return (int(number[0]) - 1) % workers
    if workers > 1:
        log.warning(
            "expected node names that end in the worker's number, as worker-1@host, found %r: two of these %d workers may start orders together",
            node,
            workers,
        )
    return crc32(node.encode()) % workers
