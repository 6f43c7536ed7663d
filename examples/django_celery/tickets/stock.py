"""The tickets that are left: a list of order numbers in Redis. Who takes one has the ticket that belongs to it."""

import redis
from django.conf import settings

client = redis.Redis.from_url(settings.REDIS_URL, decode_responses=True)

LEFT = "tickets:left"  # list of numbers
HOLDERS = "tickets:holders"  # hash: number → username
HELD = "tickets:held"  # hash: username → number

# The buyer is looked at and the number popped in one step, between which nobody comes.
TAKE = client.register_script(
    """
    local held = redis.call('HGET', KEYS[2], ARGV[1])
    if held then return {held, 'held'} end
    local number = redis.call('LPOP', KEYS[1])
    if not number then return false end
    redis.call('HSET', KEYS[2], ARGV[1], number)
    redis.call('HSET', KEYS[3], number, ARGV[1])
    return {number, 'new'}
    """
)


class SoldOut(Exception):
    pass


class AlreadyHeld(Exception):
    pass


def take(username: str) -> str:
    """The next number, now held by this user."""
    if settings.MISTAKE == "pops_first":
        return pop_first(username)
    found = TAKE(keys=[LEFT, HELD, HOLDERS], args=[username])
    if found is None:
        raise SoldOut
    number, state = found
    if state == "held":
        raise AlreadyHeld(number)
    return number


def give_back(number: str, username: str) -> None:
    """The order could not be queued: somebody else may have the number."""
    with client.pipeline() as pipe:
        pipe.hdel(HELD, username)
        pipe.hdel(HOLDERS, number)
        pipe.rpush(LEFT, number)
        pipe.execute()


def open_sale(numbers: list[str]) -> None:
    client.delete(LEFT, HELD, HOLDERS)
    if numbers:
        client.rpush(LEFT, *numbers)


def pop_first(username: str) -> str:
    """Wrong on purpose: who clicks twice is told so, and the number that was popped for the second click is gone."""
    number = client.lpop(LEFT)
    if number is None:
        raise SoldOut
    if not client.hsetnx(HELD, username, number):
        raise AlreadyHeld(client.hget(HELD, username))
    client.hset(HOLDERS, number, username)
    return number
