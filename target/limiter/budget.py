"""The budget: one rate for all workers together, kept in Redis.

A worker that holds an order reserves the next free start time in Redis, waits for it, starts the order, and reserves again. So there
is about one request to Redis for each order, however many workers wait, and the start times of all workers interleave. A worker
that is killed wastes what it has reserved: one start time, or those of a few milliseconds.
"""

import logging
import math
from collections.abc import Callable
from functools import cached_property
from time import monotonic, time
from typing import Any, NamedTuple

import redis
from celery.signals import celeryd_init
from redis.backoff import NoBackoff
from redis.retry import Retry

from target.config import Config
from target.limiter.pace import Pace
from target.limiter.share import Share, place_of
from target.stores.claims import Keys, Script

log = logging.getLogger(__name__)

# Short, because the worker asks from its event loop, which stands still until Redis answers or this has passed.
TIMEOUT_S = 0.1
AWAY_S = 1.0  # after a request without an answer, seconds until the next one
GRANT_S = 0.005  # one request reserves the start times of at most so many seconds; a killed worker wastes no more

# After Redis has been away, all workers keep to their shares for so long. Until then each of them has asked again, and they change together.
SHARES_S = AWAY_S + 2 * TIMEOUT_S

# Virtual scheduling (GCRA) with reservation. KEYS: the sale's budget. ARGV: the period in µs; how far back the first start time may lie, in
# µs; how many start times to reserve, one period apart; '1' if the period is a changed one, else '0'; now in µs, or '' for Redis's own clock; if the
# caller had no answer before, for how many µs all workers are to keep to their shares, else ''.
# Returns the µs from now to the first start time, the period in force, in µs, and '1'. While workers are to keep to their shares, nothing is reserved:
# the µs until they need not any more, the period, and '0'.
# The period that was set last holds for every worker, also for one that was restarted with an older one. After a change, what was reserved before
# delays the next start by at most one new period. Times are passed as text, because Lua would round a number to 14 digits.
RESERVE = Script("""
local period, lateness, count, now = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[5])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end
local last = redis.call('HMGET', KEYS[1], 'due', 'period', 'shares')
local function keep(due)
  redis.call('HSET', KEYS[1], 'due', string.format('%.3f', due), 'period', string.format('%.6f', period))
  redis.call('PEXPIRE', KEYS[1], 3600000)
end
local shares = tonumber(last[3] or '0')
if ARGV[6] ~= '' and now >= shares then
  shares = now + tonumber(ARGV[6])
  redis.call('HSET', KEYS[1], 'shares', string.format('%.3f', shares))
end
if now < shares then
  period = tonumber(last[2] or ARGV[1])
  keep(math.max(tonumber(last[1] or '0'), shares + period))
  return {string.format('%.3f', shares - now), string.format('%.6f', period), '0'}
end
local due = now
if last[1] then
  due = math.max(tonumber(last[1]), now - lateness)
  if last[2] ~= ARGV[1] and ARGV[4] == '1' then due = math.min(math.max(due, now), now + period)
  else period = tonumber(last[2]) end
end
keep(due + count * period)
return {string.format('%.3f', due - now), string.format('%.6f', period), '1'}
""")

_node = ""  # the name of this process as a worker, once it is one


@celeryd_init.connect  # type: ignore[untyped-decorator]
def _remember(sender: str, **_: object) -> None:
    global _node  # Celery tells it once, before it makes the first pace
    _node = sender


class Answer(NamedTuple):
    """Of a budget: seconds until the first start time, and seconds between two. Not `reserved`: seconds until shares end, and nothing is reserved."""

    wait_s: float
    apart_s: float
    reserved: bool


class Budget:
    """The start times of one sale's orders, reserved in Redis.

    *Warning:* they are on Redis's clock. If that is set back, no order may start until it has caught up.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._key = Keys.of(config.sale).budget

    def reserve(
        self,
        count: int,
        period_s: float,
        lateness_s: float,
        *,
        new: bool = False,
        back: bool = False,
        now_s: float | None = None,
    ) -> Answer:
        """Reserve `count` start times, unless the workers are to keep to their shares.

        Args:
            count: how many.
            period_s: seconds between two; used if it is `new`, or the sale has none yet, else the period in force is.
            lateness_s: the first may lie so many seconds in the past.
            new: whether the rate has changed.
            back: whether the caller's last request had no answer; then all workers are to keep to their shares for SHARES_S.
            now_s: the time to reckon from; None: Redis's own clock.

        Raises:
            RedisError: no answer. The start times may be reserved all the same, and are then wasted.
        """
        now_us = "" if now_s is None else f"{now_s * 1e6:.3f}"
        shares_us = f"{SHARES_S * 1e6:.0f}" if back else ""
        arguments: list[str | int] = [
            f"{period_s * 1e6:.6f}",
            f"{lateness_s * 1e6:.3f}",
            count,
            int(new),
            now_us,
            shares_us,
        ]
        try:
            answer: Any = self._redis.evalsha(RESERVE.sha, 1, self._key, *arguments)
        except redis.exceptions.NoScriptError:
            answer = self._redis.eval(RESERVE.source, 1, self._key, *arguments)
        wait_us, period_us, reserved = map(float, answer)
        return Answer(wait_us / 1e6, period_us / 1e6, bool(reserved))

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

    While Redis does not answer, the worker keeps to its share (`Share`), one order at a time, and all of them together to the same bound. When
    Redis answers again, all keep to their shares until each has noticed, and then change together.
    *Warning:* if only some workers have lost Redis, the others use the whole budget meanwhile, and the sum exceeds it.

    Args:
        rate_per_s, burst, budget, workers: what all workers share, and how many they are.
        clock: seconds.
        wall: the time by which workers without the budget keep apart.
        place: which of the workers this one is, from 0; None: as the name of this process says (`place_of`).
    """

    def __init__(
        self,
        rate_per_s: float,
        burst: int,
        budget: Budget,
        workers: int,
        clock: Callable[[], float] = monotonic,
        *,
        wall: Callable[[], float] = time,
        place: int | None = None,
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
        self.granted = 1  # start times that the last answer reserved
        self.share = Share(
            rate_per_s, burst, workers, place_of(_node, workers) if place is None else place, clock, wall
        )
        self.away_until_s: float | None = None  # no request to Redis before, and the share holds; None: Redis reserves
        self.lost = False  # whether the last request had no answer

    def take(self, waiting: int = 1, together: int = 1) -> int:
        """See `Pace.take`. Reserves `together` start times at once, or those of GRANT_S; a worker that is killed wastes them."""
        together = min(together, self._burst)
        while self._held and self._clock() > self._until_s:
            self._use()
        if not self._held:
            self._reserve(max(together, min(waiting, math.floor(self.rate_per_s * GRANT_S))))
        if not self._held or self.due_s is None:
            taken = int(self.share.take())
            self.due_s = self.when()
            return taken
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
        return min(self.share.when(), max(self.away_until_s, self._clock()))

    def follow(self, earlier: Pace) -> None:
        """See `Pace.follow`. The next request tells Redis the new rate; start times that `earlier` has reserved are not used."""
        self._new = True
        if isinstance(earlier, Shared):
            self.share.begin()  # at the new rate, so that the change grants no extra unit
            self.away_until_s, self.lost, self.granted = earlier.away_until_s, earlier.lost, earlier.granted

    def _use(self) -> None:
        self._held -= 1
        self.due_s = (self.due_s or 0.0) + self._apart_s
        self._until_s += self._apart_s

    def _reserve(self, count: int) -> None:
        asked = self._clock()
        if self.away_until_s is not None and asked < self.away_until_s:
            return
        try:
            answer = self._budget.reserve(count, self.period_s, self.tolerance_s / 2, new=self._new, back=self.lost)
        except redis.RedisError as error:
            self._go_away(error)
            return
        self.lost = False
        if not answer.reserved:
            self._keep_to_share(asked + answer.wait_s)
            return
        if self.away_until_s is not None:
            log.warning("the budget of all workers answers again: %g/s together", self.rate_per_s)
        self.away_until_s, self._new = None, False
        self._held = self.granted = count
        self._apart_s = answer.apart_s
        # Redis read its clock at some moment between request and answer. Counted from the answer, no order starts too early;
        # counted from the request, no start time is used that was missed by too much.
        self.due_s = self._clock() + answer.wait_s
        self._until_s = asked + answer.wait_s + self.tolerance_s

    def _go_away(self, error: redis.RedisError) -> None:
        if self.away_until_s is None:
            log.warning(
                "the budget of all workers does not answer (%s): down to the share of %g/s",
                error,
                self.share.rate_per_s,
            )
        self.lost = True
        self._keep_to_share(self._clock() + AWAY_S)

    def _keep_to_share(self, until_s: float) -> None:
        if self.away_until_s is None:
            self.share.begin(self.granted)  # the periods of what this worker has just started are over then
        self.away_until_s = until_s
