"""The claims of one sale, as Redis keeps them: which numbers are left, who holds which, and what became of them.

Each step is one Lua script, so that no crash falls between two halves of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha1
from typing import Literal

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from target.config import Config

State = Literal["queued", "confirmed", "rejected"]
Placement = Literal["placed", "redelivered", "rejected"]


@dataclass(frozen=True, slots=True)
class Claim:
    """One unit, promised. `nth` counts the buyer's units from 1."""

    number: str
    buyer: str
    nth: int = 1


@dataclass(frozen=True)
class Keys:
    """Names of what one sale keeps in Redis."""

    tokens: str  # list: numbers nobody has
    claims: str  # hash: number → buyer, until the row stands
    buyers: str  # hash: "<nth>:<buyer>" → number; the mark that makes a claim idempotent
    confirmed: str  # hash: number → buyer
    rejected: str  # hash: number → buyer
    near_misses: str  # integer
    outbox: str  # hash: number → when it was last on its way, in ms; until the queue has it (`tokens_reconciled`)
    counter: str  # integer: units left (`redis_counter`)
    budget: str  # hash: when the next order may start, at which rate (`target.limiter.budget`)

    @classmethod
    def of(cls, sale: str) -> "Keys":
        """The names for `sale`."""
        return cls(*(f"{sale}:{name}" for name in cls.__dataclass_fields__))

    def all(self) -> list[str]:
        """Every name."""
        return [getattr(self, name) for name in self.__dataclass_fields__]


@dataclass(frozen=True)
class Script:
    """A Lua script, called by its hash; Redis forgets scripts on a restart, so the source goes along when it does."""

    source: str

    @cached_property
    def sha(self) -> str:
        """What Redis knows it by. Not a matter of security."""
        return sha1(self.source.encode(), usedforsecurity=False).hexdigest()

    def call(self, keys: Sequence[str], args: Sequence[object], *, by_hash: bool = True) -> list[object]:
        """The command."""
        return ["EVALSHA" if by_hash else "EVAL", self.sha if by_hash else self.source, len(keys), *keys, *args]


# ARGV: the cap, then buyers. KEYS[4], the outbox, may be left out. A field that is not there reads as false; never test a number for truth, 0 is true in Lua.
CLAIM = Script("""
local answers, time = {}, redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for i = 2, #ARGV do
  local buyer, answer = ARGV[i], nil
  for nth = 1, tonumber(ARGV[1]) do
    local mark = nth .. ':' .. buyer
    local held = redis.call('HGET', KEYS[3], mark)
    if not held then
      local number = redis.call('LPOP', KEYS[1])
      if number then
        redis.call('HSET', KEYS[3], mark, number)
        redis.call('HSET', KEYS[2], number, buyer)
        if KEYS[4] then redis.call('HSET', KEYS[4], number, now) end
        answer = {'won', number, nth}
      else
        answer = {'sold_out'}
      end
      break
    end
    answer = {'already_bought', held, nth}
  end
  answers[#answers + 1] = answer
end
return answers
""")

# Gives a unit back, once, and only while this buyer still holds it.
GIVE_BACK = Script("""
local number, buyer, mark = ARGV[1], ARGV[2], ARGV[3] .. ':' .. ARGV[2]
if redis.call('HGET', KEYS[2], number) ~= buyer then return 0 end
redis.call('HDEL', KEYS[2], number)
if redis.call('HGET', KEYS[3], mark) == number then redis.call('HDEL', KEYS[3], mark) end
redis.call('LPUSH', KEYS[1], number)
return 1
""")

# Whether an order is to be sent again: its buyer holds the claim, and the queue has not had it for ARGV[3] ms. Who is told
# yes is the one to send it: nobody else is told so for as long again.
IN_DOUBT = Script("""
local number, buyer, patience_ms = ARGV[1], ARGV[2], tonumber(ARGV[3])
local sent = redis.call('HGET', KEYS[4], number)
if not sent or redis.call('HGET', KEYS[2], number) ~= buyer then return 0 end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if now - tonumber(sent) < patience_ms then return 0 end
redis.call('HSET', KEYS[4], number, now)
return 1
""")

# Ends a claim as the database decided. Whatever is not a new row was refused by a guard there: a near miss.
SETTLE = Script("""
local number, buyer, placement = ARGV[1], ARGV[2], ARGV[3]
if redis.call('HGET', KEYS[2], number) == buyer then redis.call('HDEL', KEYS[2], number) end
redis.call('HDEL', KEYS[7], number)
if placement ~= 'placed' then redis.call('INCR', KEYS[6]) end
redis.call('HSET', placement == 'rejected' and KEYS[5] or KEYS[4], number, buyer)
return 1
""")


def connect(config: Config, connections: int = 1) -> redis.Redis:
    """A blocking client that asks once. *Warning:* redis-py would by default ask ten times more, and take a unit each time."""
    return redis.Redis.from_url(
        config.redis_url,
        decode_responses=True,
        socket_timeout=config.timeout_s,
        socket_connect_timeout=config.timeout_s,
        retry=Retry(NoBackoff(), 0),
        max_connections=connections,
    )


def seed(client: redis.Redis, keys: Keys, numbers: Sequence[str]) -> None:
    """Forget the sale and put every number up for it."""
    with client.pipeline(transaction=True) as pipeline:
        pipeline.delete(*keys.all())
        for start in range(0, len(numbers), 10_000):
            pipeline.rpush(keys.tokens, *numbers[start : start + 10_000])
        pipeline.execute()


def settle(client: redis.Redis, keys: Keys, claim: Claim, placement: Placement) -> None:
    """End a claim as the database decided. Repeating it changes nothing but the count of near misses."""
    arguments = (claim.number, claim.buyer, placement)
    try:
        client.evalsha(SETTLE.sha, len(keys.all()), *keys.all(), *arguments)
    except redis.exceptions.NoScriptError:
        client.eval(SETTLE.source, len(keys.all()), *keys.all(), *arguments)


def settle_all(client: redis.Redis, keys: Keys, placed: Sequence[tuple[Claim, Placement]]) -> None:
    """As `settle` for each of them, in one exchange with Redis."""
    try:
        _settle_all(client, keys, placed)
    except redis.exceptions.NoScriptError:
        client.script_load(SETTLE.source)
        _settle_all(client, keys, placed)


def _settle_all(client: redis.Redis, keys: Keys, placed: Sequence[tuple[Claim, Placement]]) -> None:
    with client.pipeline(transaction=False) as pipeline:
        for claim, placement in placed:
            pipeline.evalsha(SETTLE.sha, len(keys.all()), *keys.all(), claim.number, claim.buyer, placement)
        pipeline.execute()
