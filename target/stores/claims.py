"""The claims of one sale in Redis: which order numbers are left, which buyer holds which, and what became of each.

Each step is one Lua script, so that a crash leaves none half done.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha1
from typing import Any, Literal

import redis
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError
from redis.retry import Retry

from target.config import Config

State = Literal["queued", "confirmed", "rejected"]
Placement = Literal["placed", "redelivered", "rejected"]


@dataclass(frozen=True, slots=True)
class Claim:
    """One unit promised to a buyer: its order number, the buyer, and which of the buyer's units it is, from 1.

    `stamp` fences the claim: whoever sends the order holds the stamp of the outbox entry, and has lost the right to end the claim once another
    has stamped it. Empty without an outbox.
    """

    number: str
    buyer: str
    nth: int = 1
    stamp: str = field(default="", compare=False)


@dataclass(frozen=True)
class Keys:
    """The Redis keys of one sale."""

    tokens: str  # list: order numbers still for sale
    claims: str  # hash: number → buyer, until the order is confirmed or rejected
    buyers: str  # hash: "<nth>:<buyer>" → number; the mark that makes a claim idempotent
    confirmed: str  # hash: number → buyer, whose row is committed
    rejected: str  # hash: number → buyer, whose row the database refused
    near_misses: str  # integer: orders that a constraint of the database kept out, redelivered ones too
    outbox: str  # hash: number → the stamp of whoever sends the order, until the queue has it (`tokens_reconciled`)
    fence: str  # integer: the stamps made so far
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

    def call(self, keys: Sequence[str], args: Sequence[object]) -> "Call":
        """One call of the script."""
        return Call(self, (len(keys), *keys, *args))


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a script: `arguments` are the number of keys, the keys, and the script's arguments."""

    script: Script
    arguments: tuple[object, ...]

    def by_hash(self) -> tuple[object, ...]:
        """The command that names the script."""
        return ("EVALSHA", self.script.sha, *self.arguments)

    def by_source(self) -> tuple[object, ...]:
        """The command that brings the script along."""
        return ("EVAL", self.script.source, *self.arguments)


def unknown(replies: Sequence[Any]) -> list[int]:
    """Which of a pipeline's commands Redis refused with NOSCRIPT, by position.

    They alone may be sent again, with their sources. The others of the same pipeline were carried out, and most must not be twice.
    """
    return [n for n, reply in enumerate(replies) if isinstance(reply, NoScriptError)]


# Claims a unit for each buyer. KEYS: tokens, claims, buyers; with an outbox also outbox and fence. ARGV: the cap per buyer, the caller's incarnation,
# then the buyers. Returns for each buyer {'won', number, nth, stamp}, {'already_bought', number, nth}, {'on_its_way', number, nth, stamp} if the
# buyer's last order has an entry in the outbox, or {'sold_out'}. Without an outbox there are no stamps, and nothing is known to be on its way.
# HGET gives false for a missing field. Never test a number for truth: 0 is true in Lua.
#
# A stamp is '<fence>:<incarnation>:<ms>'. The fence grows. The incarnation and the time keep two stamps apart though Redis came back with an older fence.
CLAIM = Script("""
local answers, incarnation, fence, now = {}, ARGV[2], 0, 0
if KEYS[4] then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
  fence = redis.call('INCRBY', KEYS[5], #ARGV) - #ARGV
end
for i = 3, #ARGV do
  local buyer, answer = ARGV[i], nil
  for nth = 1, tonumber(ARGV[1]) do
    local mark = nth .. ':' .. buyer
    local held = redis.call('HGET', KEYS[3], mark)
    if not held then
      local number = redis.call('LPOP', KEYS[1])
      if number then
        redis.call('HSET', KEYS[3], mark, number)
        redis.call('HSET', KEYS[2], number, buyer)
        answer = {'won', number, nth}
        if KEYS[4] then
          answer[4] = string.format('%d:%s:%d', fence + i, incarnation, now)
          redis.call('HSET', KEYS[4], number, answer[4])
        end
      else
        answer = {'sold_out'}
      end
      break
    end
    answer = {'already_bought', held, nth}
  end
  if KEYS[4] and answer[1] == 'already_bought' then
    local stamp = redis.call('HGET', KEYS[4], answer[2])
    if stamp then answer = {'on_its_way', answer[2], answer[3], stamp} end
  end
  answers[#answers + 1] = answer
end
return answers
""")

# Takes over the sending of orders: puts a new stamp in place of the one given, where that is still in force. KEYS: outbox, fence. ARGV: the caller's
# incarnation, then number and stamp of each. Returns for each the new stamp, or '' if another has sent it, stamped it, or given it back.
TAKE_OVER = Script("""
local answers, time = {}, redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for i = 2, #ARGV, 2 do
  local stamp = ''
  if redis.call('HGET', KEYS[1], ARGV[i]) == ARGV[i + 1] then
    stamp = string.format('%d:%s:%d', redis.call('INCR', KEYS[2]), ARGV[1], now)
    redis.call('HSET', KEYS[1], ARGV[i], stamp)
  end
  answers[#answers + 1] = stamp
end
return answers
""")

# Removes orders that the queue has from the outbox, where the stamp is still in force. KEYS: outbox. ARGV: number and stamp of each.
# Returns for each 1, or 0 if it did nothing.
CONFIRM = Script("""
local answers = {}
for i = 1, #ARGV, 2 do
  local ours = redis.call('HGET', KEYS[1], ARGV[i]) == ARGV[i + 1]
  answers[#answers + 1] = ours and redis.call('HDEL', KEYS[1], ARGV[i]) or 0
end
return answers
""")

# Puts units up for sale again which their buyers still hold, with an outbox also only where the stamp is still in force. A second call does
# nothing. KEYS: tokens, claims, buyers, and the outbox, which may be left out. ARGV: number, buyer, nth and stamp of each. Returns for each 1, or 0
# if it did nothing.
GIVE_BACK = Script("""
local answers = {}
for i = 1, #ARGV, 4 do
  local number, buyer, mark, stamp = ARGV[i], ARGV[i + 1], ARGV[i + 2] .. ':' .. ARGV[i + 1], ARGV[i + 3]
  local ours = redis.call('HGET', KEYS[2], number) == buyer
  if ours and KEYS[4] then ours = redis.call('HGET', KEYS[4], number) == stamp end
  if ours then
    if KEYS[4] then redis.call('HDEL', KEYS[4], number) end
    redis.call('HDEL', KEYS[2], number)
    if redis.call('HGET', KEYS[3], mark) == number then redis.call('HDEL', KEYS[3], mark) end
    redis.call('LPUSH', KEYS[1], number)
  end
  answers[#answers + 1] = ours and 1 or 0
end
return answers
""")

# Ends a claim as the database decided, and its entry in the outbox, if the claim is this buyer's. An order that made no new row was kept out by a
# constraint: a near miss. KEYS: all, in the order of `Keys`. ARGV: number, buyer, placement.
SETTLE = Script("""
local number, buyer, placement = ARGV[1], ARGV[2], ARGV[3]
if redis.call('HGET', KEYS[2], number) == buyer then
  redis.call('HDEL', KEYS[2], number)
  redis.call('HDEL', KEYS[7], number)
end
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
    call = _settling(keys, claim, placement)
    ask: Any = client.execute_command  # which redis-py leaves untyped
    try:
        ask(*call.by_hash())
    except NoScriptError:
        ask(*call.by_source())


def settle_all(client: redis.Redis, keys: Keys, placed: Sequence[tuple[Claim, Placement]]) -> None:
    """As `settle` for each pair of `placed`, in one round trip to Redis."""
    calls = [_settling(keys, claim, placement) for claim, placement in placed]
    replies = _together(client, [call.by_hash() for call in calls])
    again = unknown(replies)
    if again:
        replies += _together(client, [calls[n].by_source() for n in again])
    for reply in replies:
        if isinstance(reply, Exception) and not isinstance(reply, NoScriptError):
            raise reply


def _settling(keys: Keys, claim: Claim, placement: Placement) -> Call:
    return SETTLE.call(keys.all(), (claim.number, claim.buyer, placement))


def _together(client: redis.Redis, commands: Sequence[Sequence[Any]]) -> list[Any]:
    """The reply to each command, in one round trip; an error that Redis answered stands for its reply. Raises RedisError without an answer."""
    with client.pipeline(transaction=False) as pipeline:
        queue: Any = pipeline.execute_command  # which redis-py leaves untyped
        for command in commands:
            queue(*command)
        return pipeline.execute(raise_on_error=False)
