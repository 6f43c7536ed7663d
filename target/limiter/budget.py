"""The budget: one rate for all workers together, kept in Redis.

A worker that holds an order asks for the next free moment at which one may start, waits for it, and asks again when it has
used it. So there is one question for each order, however many workers wait, and the moments of all of them
interleave. A worker that is killed takes one moment along, or a few milliseconds' worth.
"""

import logging
import math
from collections.abc import Callable
from functools import cached_property
from time import monotonic
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from target.config import Config
from target.limiter.pace import Gcra, Pace
from target.stores.claims import Keys, Script

log = logging.getLogger(__name__)

# The worker asks in its event loop, where everything else waits meanwhile. It is better without an answer than without a loop.
TIMEOUT_S = 0.1
AWAY_S = 1.0  # after no answer, nobody asks for so long
GRANT_S = 0.005  # what one question may bring, and what a killed worker may take along

# Virtual scheduling (GCRA) with reservation. ARGV: the period and the lateness that is made up, in µs; how many moments, one period
# apart; whether the period is a new one; now in µs, else Redis's own clock. Gives the µs from now to the first of them, and the period:
# the one that was set last holds for everybody, also for a worker that was started again and does not know it. What was
# reserved at an older one delays a new one by no more than one period. Times are text: Lua would round a number to 14 digits.
RESERVE = Script("""
local period, lateness, count, now = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[5])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end
local last = redis.call('HMGET', KEYS[1], 'due', 'period')
local due = now
if last[1] then
  due = math.max(tonumber(last[1]), now - lateness)
  if last[2] ~= ARGV[1] and ARGV[4] == '1' then due = math.min(math.max(due, now), now + period)
  else period = tonumber(last[2]) end
end
redis.call('HSET', KEYS[1], 'due', string.format('%.3f', due + count * period), 'period', string.format('%.6f', period))
redis.call('PEXPIRE', KEYS[1], 3600000)
return {string.format('%.3f', due - now), string.format('%.6f', period)}
""")


class Budget:
    """The moments of one sale.

    *Warning:* they are on Redis's clock. Where that is set back, nothing is due until it has caught up.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._key = Keys.of(config.sale).budget

    def reserve(
        self, count: int, period_s: float, lateness_s: float, *, new: bool = False, now_s: float | None = None
    ) -> tuple[float, float]:
        """Take `count` moments; gives the seconds from now to the first, which may lie `lateness_s` back, and between them.

        They are one `period_s` apart if it is a `new` one, or the first that this sale hears of; else the period that holds.

        Raises:
            RedisError: no answer. The moments may be taken; nobody will use them.
        """
        now_us = "" if now_s is None else f"{now_s * 1e6:.3f}"
        arguments: list[str | int] = [f"{period_s * 1e6:.6f}", f"{lateness_s * 1e6:.3f}", count, int(new), now_us]
        try:
            answer: Any = self._redis.evalsha(RESERVE.sha, 1, self._key, *arguments)
        except redis.exceptions.NoScriptError:
            answer = self._redis.eval(RESERVE.source, 1, self._key, *arguments)
        wait_us, period_us = map(float, answer)
        return wait_us / 1e6, period_us / 1e6

    @cached_property
    def _redis(self) -> redis.Redis:
        """Asks once, and does not wait."""
        return redis.Redis.from_url(
            self._config.redis_url,
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
        )


class Shared:
    """One worker's part in a budget of all. Any window of t seconds holds at most ``rate_per_s * t + burst`` units of all workers.

    A moment that is missed by more than ``(burst - 1) / rate_per_s`` seconds is given up, so that several late workers do not add
    up to more. Half of that is made up when Redis is asked late, the other half is for its answer to arrive.

    While Redis does not answer, the worker keeps to its share, ``rate_per_s / workers``: all of them together never come above.
    *Warning:* if only some of them have lost it, the others use the whole budget meanwhile.
    """

    def __init__(
        self, rate_per_s: float, burst: int, budget: Budget, workers: int, clock: Callable[[], float] = monotonic
    ) -> None:
        self.rate_per_s = rate_per_s
        self.most = math.inf  # what the others start is not known here
        self.period_s = 1 / rate_per_s
        self.tolerance_s = (burst - 1) * self.period_s
        self.due_s: float | None = None
        self._new = False
        self._burst = burst
        self._held = 0  # moments reserved, the first at `due_s`, each `_apart_s` after the other
        self._apart_s = self.period_s
        self._until_s = 0.0  # after which the first is missed
        self._budget = budget
        self._clock = clock
        self.share = Gcra(rate_per_s / workers, max(1, burst // workers), clock)
        self.away_until_s: float | None = None  # None: Redis answers

    def take(self, waiting: int = 1, together: int = 1) -> int:
        """See `Pace.take`. A worker that is killed takes along what it has reserved: `together` moments, or those of 5 ms."""
        together = min(together, self._burst)
        while self._held and self._clock() > self._until_s:
            self._use()
        if not self._held:
            self._reserve(max(together, min(waiting, math.floor(self.rate_per_s * GRANT_S))))
        if not self._held or self.due_s is None:
            return self._take_of_share(together)
        now = self._clock()
        if now > self._until_s:  # Redis answers too late to be of use
            self.due_s, self._held = now + self.period_s, 0
            return 0
        if now < self.when(together):
            return 0
        taken = min(together, self._held)
        for _ in range(taken):
            self._use()
        return taken

    def when(self, together: int = 1) -> float:
        """See `Pace.when`."""
        if self._held or self.away_until_s is None:
            return (self.due_s or 0.0) + (max(1, min(together, self._held)) - 1) * self._apart_s
        return self.share.when(together)

    def follow(self, earlier: Pace) -> None:
        """Tell Redis the new rate with the next question. Moments that the earlier one holds are not used."""
        self._new = True
        if isinstance(earlier, Shared):
            self.share.follow(earlier.share)
            self.away_until_s = earlier.away_until_s

    def _use(self) -> None:
        self._held -= 1
        self.due_s = (self.due_s or 0.0) + self._apart_s
        self._until_s += self._apart_s

    def _reserve(self, count: int) -> None:
        asked = self._clock()
        if self.away_until_s is not None and asked < self.away_until_s:
            return
        try:
            wait_s, self._apart_s = self._budget.reserve(count, self.period_s, self.tolerance_s / 2, new=self._new)
        except redis.RedisError as error:
            self._go_away(error)
            return
        if self.away_until_s is not None:
            log.warning("the budget of all workers answers again: %g/s together", self.rate_per_s)
        self.away_until_s, self._new = None, False
        self._held = count
        # Redis said it between question and answer: not before the one, not after the other.
        self.due_s = self._clock() + wait_s
        self._until_s = asked + wait_s + self.tolerance_s

    def _go_away(self, error: redis.RedisError) -> None:
        now = self._clock()
        if self.away_until_s is None:
            log.warning(
                "the budget of all workers does not answer (%s): down to the share of %g/s",
                error,
                self.share.rate_per_s,
            )
            self.share.due_s = now + self.share.period_s
        self.away_until_s = now + AWAY_S

    def _take_of_share(self, together: int) -> int:
        taken = self.share.take(together=together)
        self.due_s = self.share.due_s
        return taken
