"""The claims of one sale in Redis: which order numbers are left, which buyer holds which, and what became of each.

Each step is one Lua script, so that a crash leaves none half done.
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
    """One unit promised to a buyer: its order number, the buyer, and which of the buyer's units it is, from 1."""

    number: str
    buyer: str
    nth: int = 1


@dataclass(frozen=True)
class Keys:
    """The Redis keys of one sale."""

    tokens: str  # list: order numbers still for sale
    claims: str  # hash: number → buyer, until the order is confirmed or rejected
    buyers: str  # hash: "<nth>:<buyer>" → number; the mark that makes a claim idempotent
    confirmed: str  # hash: number → buyer, whose row is committed
    rejected: str  # hash: number → buyer, whose row the database refused
    near_misses: str  # integer: orders that a constraint of the database kept out, redelivered ones too
    outbox: str  # hash: number → when it was last sent, in ms; until the queue has it (`tokens_reconciled`)
    counter: str  # integer: units left (`redis_counter`)
    budget: str  # hash: when the next order may start, and the period (`target.limiter.budget`)

    @classmethod
    def of(cls, sale: str) -> "Keys":
        """The keys of `sale`: ``<sale>:<field>``."""
        return cls(*(f"{sale}:{name}" for name in cls.__dataclass_fields__))

    def all(self) -> list[str]:
        """Every key, in the order of the fields."""
        return [getattr(self, name) for name in self.__dataclass_fields__]


@dataclass(frozen=True)
class Script:
    """A Lua script, called by its hash. A restarted Redis has forgotten it and answers NOSCRIPT; then the caller sends the source."""

    source: str

    @cached_property
    def sha(self) -> str:
        """The hash by which EVALSHA finds it."""
        return sha1(self.source.encode(), usedforsecurity=False).hexdigest()

    def call(self, keys: Sequence[str], args: Sequence[object], *, by_hash: bool = True) -> list[object]:
        """The command, as a list: EVALSHA, or EVAL with the source."""
        return ["EVALSHA" if by_hash else "EVAL", self.sha if by_hash else self.source, len(keys), *keys, *args]


# Claims a unit for each buyer. KEYS: tokens, claims, buyers, and the outbox, which may be left out. ARGV: the cap per buyer, then the buyers. Returns
# for each buyer {'won', number, nth}, {'already_bought', number, nth} or {'sold_out'}. HGET gives false for a missing field. Never test a number
# for truth: 0 is true in Lua.
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

# Puts a unit up for sale again if this buyer still holds it; a second call does nothing. KEYS: tokens, claims, buyers. ARGV: number, buyer, nth.
GIVE_BACK = Script("""
local number, buyer, mark = ARGV[1], ARGV[2], ARGV[3] .. ':' .. ARGV[2]
if redis.call('HGET', KEYS[2], number) ~= buyer then return 0 end
redis.call('HDEL', KEYS[2], number)
if redis.call('HGET', KEYS[3], mark) == number then redis.call('HDEL', KEYS[3], mark) end
redis.call('LPUSH', KEYS[1], number)
return 1
""")

# Whether the caller is to send an order again: its buyer holds the claim, and its entry in the outbox is at least ARGV[3] ms old. A yes renews
# the entry, so that nobody else is told yes for as long again. KEYS: tokens, claims, buyers, outbox. ARGV: number, buyer, patience in ms.
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

# Ends a claim as the database decided. An order that made no new row was kept out by a constraint: a near miss. KEYS: all, in the order of `Keys`.
SETTLE = Script("""
local number, buyer, placement = ARGV[1], ARGV[2], ARGV[3]
if redis.call('HGET', KEYS[2], number) == buyer then redis.call('HDEL', KEYS[2], number) end
redis.call('HDEL', KEYS[7], number)
if placement ~= 'placed' then redis.call('INCR', KEYS[6]) end
redis.call('HSET', placement == 'rejected' and KEYS[5] or KEYS[4], number, buyer)
return 1
""")


def connect(config: Config, connections: int = 1) -> redis.Redis:
    """A blocking client without retries: redis-py 8 would by default repeat an unanswered command ten times, and take a unit each time."""
    return redis.Redis.from_url(
        config.redis_url,
        decode_responses=True,
        socket_timeout=config.timeout_s,
        socket_connect_timeout=config.timeout_s,
        retry=Retry(NoBackoff(), 0),
        max_connections=connections,
    )


def seed(client: redis.Redis, keys: Keys, numbers: Sequence[str]) -> None:
    """Delete every key of the sale and put `numbers` up for sale, in one transaction."""
    with client.pipeline(transaction=True) as pipeline:
        pipeline.delete(*keys.all())
        for start in range(0, len(numbers), 10_000):
            pipeline.rpush(keys.tokens, *numbers[start : start + 10_000])
        pipeline.execute()


def settle(client: redis.Redis, keys: Keys, claim: Claim, placement: Placement) -> None:
    """End `claim` as the database decided. Repeating it changes nothing but the count of near misses. Raises RedisError."""
    arguments = (claim.number, claim.buyer, placement)
    try:
        client.evalsha(SETTLE.sha, len(keys.all()), *keys.all(), *arguments)
    except redis.exceptions.NoScriptError:
        client.eval(SETTLE.source, len(keys.all()), *keys.all(), *arguments)


def settle_all(client: redis.Redis, keys: Keys, placed: Sequence[tuple[Claim, Placement]]) -> None:
    """As `settle` for each pair of `placed`, in one round trip to Redis."""
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
