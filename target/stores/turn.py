"""Sends all claims and reads that arrive within one turn (one iteration) of the event loop to Redis together.

They share one pipeline on one connection: one call of the script for all claims, three reads for all look-ups of orders. One turn is
in flight at a time, and the next is collected meanwhile. One request to Redis for each claim would cost 2.5 times as much (docs/decisions).
"""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

from target.config import Config
from target.errors import AlreadyBought, SoldOut, Unavailable
from target.stores.claims import CLAIM, GIVE_BACK, IN_DOUBT, Claim, Keys, Script, State

T = TypeVar("T")

# The most buyers in one call of the script: Redis serves nobody else meanwhile (about 3 µs a buyer).
MOST_A_TURN = 512

Waiter = asyncio.Future[Any]


@dataclass
class Turn:
    """What the requests of one turn of the event loop asked, each with the future that waits for its answer.

    `claims` holds buyers, `looks` order numbers, `counts` asks for the units left, `returns` holds units to give back.
    """

    claims: list[tuple[str, Waiter]] = field(default_factory=list)
    looks: list[tuple[str, Waiter]] = field(default_factory=list)
    counts: list[Waiter] = field(default_factory=list)
    returns: list[tuple[Claim, Waiter]] = field(default_factory=list)

    def split(self) -> "Turn":
        """Keep at most MOST_A_TURN claims; returns the rest as the next turn."""
        self.claims, later = self.claims[:MOST_A_TURN], self.claims[MOST_A_TURN:]
        return Turn(claims=later)

    def __bool__(self) -> bool:
        return bool(self.claims or self.looks or self.counts or self.returns)

    def waiters(self) -> list[Waiter]:
        """Every future."""
        return [waiter for _, waiter in (*self.claims, *self.looks, *self.returns)] + self.counts


class ClaimPipeline:
    """Claims units and looks up orders for the requests of one event loop.

    Args:
        config: the sale, and its Redis.
        script: the Lua script that claims; `CLAIM` if None.
        outbox: whether each claim is also entered in the outbox, until `confirm`.
    """

    def __init__(self, config: Config, script: Script | None = None, *, outbox: bool = False) -> None:
        self._script = script or CLAIM
        self._outbox = outbox
        self._redis = _connect(config)
        self._keys = Keys.of(config.sale)
        self._per_buyer = config.per_buyer
        self._next = Turn()
        self._serving: asyncio.Task[None] | None = None

    async def claim(self, buyer: str) -> Claim:
        """Claim a unit for `buyer`.

        With a cap above one, a repeated request is a new purchase until the cap is reached: requests carry no key to tell them apart.

        Raises:
            SoldOut: no unit is left.
            AlreadyBought: the buyer is at the cap; names the buyer's last unit.
            Unavailable: Redis did not answer; a unit may have been claimed.
        """
        outcome, *rest = await self._ask(self._next.claims, buyer)
        if outcome == "won":
            return Claim(rest[0], buyer, rest[1])
        if outcome == "already_bought":
            raise AlreadyBought(rest[0], rest[1])
        raise SoldOut("sold out")

    async def look(self, number: str, buyer: str | None = None) -> State | None:
        """The state of order `number`; None if nobody holds it. Raises Unavailable.

        Two buyers can hold the same number only after Redis was restored from an old snapshot. Without `buyer` the answer is then
        the number's: a claim comes first, then confirmed, then rejected.
        """
        claimed, confirmed, rejected = await self._ask(self._next.looks, number)
        if buyer is not None:
            claimed, confirmed, rejected = (holder == buyer for holder in (claimed, confirmed, rejected))
        if claimed:
            return "queued"
        if confirmed:
            return "confirmed"
        return "rejected" if rejected else None

    async def left(self) -> int:
        """How many units are still for sale. Raises Unavailable."""
        waiter = asyncio.get_running_loop().create_future()
        self._next.counts.append(waiter)
        self._wake()
        return int(await waiter)

    async def give_back(self, claim: Claim) -> None:
        """Put the unit of `claim`, which must certainly have become no order, up for sale again. Raises Unavailable."""
        await self._ask(self._next.returns, claim)

    async def confirm(self, claim: Claim) -> None:
        """Remove the order from the outbox: the queue has it, or its row is committed. Raises Unavailable."""
        await self._now("HDEL", self._keys.outbox, claim.number)

    async def doubt(self, claim: Claim) -> None:
        """Mark the order in the outbox as in doubt from now on, however short ago it was sent. Raises Unavailable."""
        await self._now("HSET", self._keys.outbox, claim.number, 0)

    async def in_doubt(self, claim: Claim, patience_s: float) -> bool:
        """Whether the caller is to send the order again: the claim is held, and was last sent at least `patience_s` seconds ago.

        Raises Unavailable.
        """
        keys = self._keys
        arguments = (claim.number, claim.buyer, round(patience_s * 1000))
        names = (keys.tokens, keys.claims, keys.buyers, keys.outbox)
        return bool(await self._now(*IN_DOUBT.call(names, arguments, by_hash=False)))

    async def close(self) -> None:
        """Close the connection."""
        await self._redis.aclose()

    async def _now(self, *command: object) -> Any:
        """Send one command at once, outside the turns. Only winners and buyers in doubt need it, and they are few."""
        ask: Any = self._redis.execute_command  # which redis-py leaves untyped
        try:
            return await ask(*command)
        except RedisError as error:
            raise Unavailable(f"Redis did not answer: {error}") from error

    def _ask(self, line: list[tuple[T, Waiter]], question: T) -> Waiter:
        waiter = asyncio.get_running_loop().create_future()
        line.append((question, waiter))
        self._wake()
        return waiter

    def _wake(self) -> None:
        # The task first runs in the next iteration of the loop; by then every request of this one has asked.
        if self._serving is None:
            self._serving = asyncio.get_running_loop().create_task(self._serve())

    async def _serve(self) -> None:
        """Send turn after turn, until nobody waits."""
        try:
            while self._next:
                turn = self._next
                self._next = turn.split()
                try:
                    await self._exchange(turn)
                except Exception as error:
                    _fail(turn.waiters(), f"Redis did not answer: {error}")
        finally:
            self._serving = None

    async def _exchange(self, turn: Turn) -> None:
        replies = await self._send(turn, by_hash=True)
        if any(isinstance(reply, NoScriptError) for reply in replies):
            # Redis ran no script, so no unit was claimed; the reads are harmless to repeat.
            replies = await self._send(turn, by_hash=False)
        answers = iter(replies)
        if turn.claims:
            _answer([waiter for _, waiter in turn.claims], next(answers))
        if turn.looks:
            columns = [next(answers) for _ in range(3)]
            failed = next((column for column in columns if isinstance(column, Exception)), None)
            _answer([waiter for _, waiter in turn.looks], failed or list(zip(*columns, strict=True)))
        if turn.counts:
            count = next(answers)
            _answer(turn.counts, count if isinstance(count, Exception) else [count] * len(turn.counts))
        for (_, waiter), reply in zip(turn.returns, answers, strict=True):
            _answer([waiter], reply if isinstance(reply, Exception) else [reply])

    async def _send(self, turn: Turn, *, by_hash: bool) -> list[Any]:
        keys = self._keys
        pipeline = self._redis.pipeline(transaction=False)
        if turn.claims:
            arguments = [self._per_buyer, *[buyer for buyer, _ in turn.claims]]
            names = (keys.tokens, keys.claims, keys.buyers, *([keys.outbox] if self._outbox else []))
            pipeline.execute_command(*self._script.call(names, arguments, by_hash=by_hash))
        if turn.looks:
            numbers = [number for number, _ in turn.looks]
            for name in (keys.claims, keys.confirmed, keys.rejected):
                pipeline.hmget(name, numbers)
        if turn.counts:
            pipeline.llen(keys.tokens)
        for claim, _ in turn.returns:
            pipeline.execute_command(
                *GIVE_BACK.call(
                    (keys.tokens, keys.claims, keys.buyers), (claim.number, claim.buyer, claim.nth), by_hash=False
                )
            )
        return await cast("Awaitable[list[Any]]", pipeline.execute(raise_on_error=False))


def _fail(waiters: Sequence[Waiter], reason: str) -> None:
    for waiter in waiters:
        if not waiter.done():  # otherwise its request was cancelled
            waiter.set_exception(Unavailable(reason))


def _answer(waiters: Sequence[Waiter], answers: Sequence[Any] | Exception) -> None:
    """Give each waiter its answer, or all of them the error if Redis refused the command."""
    if isinstance(answers, Exception):
        _fail(waiters, f"Redis refused: {answers}")
        return
    for waiter, answer in zip(waiters, answers, strict=True):
        if not waiter.done():
            waiter.set_result(answer)


def _connect(config: Config) -> redis.asyncio.Redis:
    """A client without retries, for the reason at `claims.connect`."""
    return redis.asyncio.Redis.from_url(
        config.redis_url,
        decode_responses=True,
        socket_timeout=config.timeout_s,
        socket_connect_timeout=config.timeout_s,
        retry=Retry(NoBackoff(), 0),
    )
