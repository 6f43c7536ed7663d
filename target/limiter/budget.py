"""The budget: one rate for all workers together, kept in Redis.

A worker that holds an order reserves the next free start time in Redis, waits for it, starts the order, and reserves again. So there
is about one request to Redis for each order, however many workers wait, and the start times of all workers interleave. A worker
that is killed wastes what it has reserved: one start time, or those of a few milliseconds.
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

# Short, because the worker asks from its event loop, which stands still until Redis answers or this has passed.
TIMEOUT_S = 0.1
AWAY_S = 1.0  # after a request without an answer, seconds until the next one
GRANT_S = 0.005  # one request reserves the start times of at most so many seconds; a killed worker wastes no more

# Virtual scheduling (GCRA) with reservation. KEYS: the sale's budget. ARGV: the period in µs; how far back the first start time may lie, in
# µs; how many start times to reserve, one period apart; '1' if the period is a changed one, else '0'; now in µs, or '' for Redis's own clock.
# Returns the µs from now to the first start time, and the period in force, in µs. The period that was set last holds for every worker, also
# for one that was restarted with an older one. After a change, what was reserved before delays the next start by at most one new period.
# Times are passed as text, because Lua would round a number to 14 digits.
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
    """The start times of one sale's orders, reserved in Redis.

    *Warning:* they are on Redis's clock. If that is set back, no order may start until it has caught up.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._key = Keys.of(config.sale).budget

    def reserve(
        self, count: int, period_s: float, lateness_s: float, *, new: bool = False, now_s: float | None = None
    ) -> tuple[float, float]:
        """Reserve `count` start times. Returns (seconds from now to the first, seconds between them).

        Args:
            count: how many.
            period_s: seconds between two; used if it is `new`, or the sale has none yet, else the period in force is.
            lateness_s: the first may lie so many seconds in the past.
            new: whether the rate has changed.
            now_s: the time to reckon from; None: Redis's own clock.

        Raises:
            RedisError: no answer. The start times may be reserved all the same, and are then wasted.
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
        """A client that tries once, and waits no longer than TIMEOUT_S."""
        return redis.Redis.from_url(
            self._config.redis_url,
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
        )


class Shared:
    """One worker's pace under a budget of all workers. In any t seconds all of them together start at most ``rate_per_s * t + burst`` units.

    A start time that is missed by more than ``(burst - 1) / rate_per_s`` seconds is dropped; otherwise several late workers could exceed
    the burst together. Half of that allowance is for asking Redis late, the other half for the time that its answer takes.

    While Redis does not answer, the worker keeps to its share, ``rate_per_s / workers``, so that all together stay within the rate.
    *Warning:* if only some workers have lost Redis, the others use the whole budget meanwhile, and the sum exceeds it.
    """

    def __init__(
        self, rate_per_s: float, burst: int, budget: Budget, workers: int, clock: Callable[[], float] = monotonic
    ) -> None:
        self.rate_per_s = rate_per_s
        self.most = math.inf  # not bounded here: this worker does not know what the others start
        self.period_s = 1 / rate_per_s
        self.tolerance_s = (burst - 1) * self.period_s
        self.due_s: float | None = None
        self._new = False
        self._burst = burst
        self._held = 0  # start times reserved: the first at `due_s`, then one every `_apart_s`
        self._apart_s = self.period_s
        self._until_s = 0.0  # after this the first of them is missed
        self._budget = budget
        self._clock = clock
        self.share = Gcra(rate_per_s / workers, max(1, burst // workers), clock)
        self.away_until_s: float | None = None  # no request to Redis before; None: Redis answers

    def take(self, waiting: int = 1, together: int = 1) -> int:
        """See `Pace.take`. Reserves `together` start times at once, or those of GRANT_S; a worker that is killed wastes them."""
        together = min(together, self._burst)
        while self._held and self._clock() > self._until_s:
            self._use()
        if not self._held:
            self._reserve(max(together, min(waiting, math.floor(self.rate_per_s * GRANT_S))))
        if not self._held or self.due_s is None:
            return self._take_of_share(together)
        now = self._clock()
        if now > self._until_s:  # the answer came after the start time was missed
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
        """See `Pace.follow`. The next request tells Redis the new rate; start times that `earlier` has reserved are not used."""
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
        # Redis read its clock at some moment between request and answer. Counted from the answer, no order starts too early;
        # counted from the request, no start time is used that was missed by too much.
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
