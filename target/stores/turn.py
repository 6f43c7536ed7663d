"""Sends all that requests ask of the claims within one turn (one iteration) of the event loop to Redis together.

They share one pipeline on one connection: one call of the script for all claims, three reads for all look-ups of orders. One turn is
in flight at a time, and the next is collected meanwhile. One request to Redis for each claim would cost 2.5 times as much (docs/decisions).

A command is sent again only if Redis said that it did not carry it out (NOSCRIPT). Where the answers are lost nothing is sent again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast
from uuid import uuid4

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from target.config import Config
from target.errors import AlreadyBought, SoldOut, Unavailable
from target.stores.claims import CLAIM, CONFIRM, GIVE_BACK, TAKE_OVER, Call, Claim, Keys, Script, State, unknown

T = TypeVar("T")

# The most buyers in one call of the script: Redis serves nobody else meanwhile (about 3 µs a buyer).
MOST_A_TURN = 512

Waiter = asyncio.Future[Any]


@dataclass
class Turn:
    """What the requests of one turn of the event loop asked, each with the future that waits for its answer.

    `claims` holds buyers, `looks` order numbers, `counts` asks for the units left; `confirmed`, `taken_over` and `returned` hold claims.
    """

    claims: list[tuple[str, Waiter]] = field(default_factory=list)
    looks: list[tuple[str, Waiter]] = field(default_factory=list)
    counts: list[tuple[None, Waiter]] = field(default_factory=list)
    confirmed: list[tuple[Claim, Waiter]] = field(default_factory=list)
    taken_over: list[tuple[Claim, Waiter]] = field(default_factory=list)
    returned: list[tuple[Claim, Waiter]] = field(default_factory=list)

    def split(self) -> "Turn":
        """Keep at most MOST_A_TURN claims; returns the rest as the next turn."""
        self.claims, later = self.claims[:MOST_A_TURN], self.claims[MOST_A_TURN:]
        return Turn(claims=later)

    def __bool__(self) -> bool:
        return any((self.claims, self.looks, self.counts, self.confirmed, self.taken_over, self.returned))

    def waiters(self) -> list[Waiter]:
        """Every future."""
        asked = (self.claims, self.looks, self.counts, self.confirmed, self.taken_over, self.returned)
        return [waiter for line in asked for _, waiter in line]


@dataclass(frozen=True, slots=True)
class Read:
    """A command without a script; reading twice does no harm."""

    words: tuple[object, ...]

    def by_hash(self) -> tuple[object, ...]:
        """The command, which has no hash."""
        return self.words

    by_source = by_hash


@dataclass(frozen=True, slots=True)
class Part:
    """Commands of one turn whose replies together answer the same waiters. `answers` makes an answer for each waiter of the replies."""

    asked: Sequence[tuple[Any, Waiter]]
    commands: Sequence[Call | Read]
    answers: Callable[[list[Any]], Sequence[Any]]

    def tell(self, replies: list[Any]) -> None:
        """Give each waiter its answer, or all of them the error if Redis refused a command."""
        waiters = [waiter for _, waiter in self.asked]
        for reply in replies:
            if isinstance(reply, Exception):
                _fail(waiters, f"Redis refused: {reply}")
                return
        for waiter, answer in zip(waiters, self.answers(replies), strict=True):
            if not waiter.done():  # otherwise its request was cancelled
                waiter.set_result(answer)


class OnItsWay(Unavailable):
    """The buyer is at the cap, and nobody can say yet that the buyer's last order is safe. `claim` is that order's, with the stamp in force."""

    def __init__(self, claim: Claim) -> None:
        super().__init__(f"{claim.number} has not reached the queue yet; ask again")
        self.claim = claim


class ClaimPipeline:
    """Claims units and looks up orders for the requests of one event loop.

    Args:
        config: the sale, and its Redis.
        script: the Lua script that claims; `CLAIM` if None.
        outbox: whether each claim is also entered in the outbox with a stamp, until `confirm`, `give_back`, or its row stands.
        returning: the Lua script that gives units back; `GIVE_BACK` if None.
    """

    def __init__(
        self, config: Config, script: Script | None = None, *, outbox: bool = False, returning: Script | None = None
    ) -> None:
        self._script = script or CLAIM
        self._returning = returning or GIVE_BACK
        self._outbox = outbox
        self._redis = _connect(config)
        self._keys = Keys.of(config.sale)
        self._per_buyer = config.per_buyer
        # What another process has stamped, or this one before it was restarted, has another.
        self._incarnation = uuid4().hex[:12]
        self._next = Turn()
        self._serving: asyncio.Task[None] | None = None

    async def claim(self, buyer: str) -> Claim:
        """Claim a unit for `buyer`.

        With a cap above one, a repeated request is a new purchase until the cap is reached: requests carry no key to tell them apart.

        Raises:
            SoldOut: no unit is left.
            AlreadyBought: the buyer is at the cap; names the buyer's last unit. With an outbox, the order of that unit is safe.
            OnItsWay: the same, but the outbox still has that order. Only with an outbox.
            Unavailable: Redis did not answer; a unit may have been claimed.
        """
        outcome, *rest = await self._ask(self._next.claims, buyer)
        if outcome == "won":
            return Claim(rest[0], buyer, *rest[1:])
        if outcome == "on_its_way":
            raise OnItsWay(Claim(rest[0], buyer, *rest[1:]))
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
        return int(await self._ask(self._next.counts, None))

    async def give_back(self, claim: Claim) -> bool:
        """Put the unit of `claim`, which must certainly have become no order, up for sale again. Raises Unavailable.

        Returns whether it did: False if the unit is not this buyer's any more, or, with an outbox, if the claim's stamp is not in force any more.
        """
        return bool(await self._ask(self._next.returned, claim))

    async def confirm(self, claim: Claim) -> bool:
        """Remove an order that the queue has from the outbox. Raises Unavailable. Returns whether it did: False if the stamp is not in force any more."""
        return bool(await self._ask(self._next.confirmed, claim))

    async def take_over(self, claim: Claim) -> Claim | None:
        """Stamp the claim anew, so that the caller may send its order again. Raises Unavailable.

        None if the claim's stamp is not in force any more: the order has become safe, or another has taken it over, or given the unit back.
        """
        stamp = await self._ask(self._next.taken_over, claim)
        return Claim(claim.number, claim.buyer, claim.nth, stamp) if stamp else None

    def stamped(self, claim: Claim) -> bool:
        """Whether the claim's stamp is one of this process, since it started."""
        return claim.stamp.split(":")[1:2] == [self._incarnation]

    async def close(self) -> None:
        """Close the connection."""
        await self._redis.aclose()

    def _ask(self, line: list[tuple[T, Waiter]], question: T) -> Waiter:
        waiter = asyncio.get_running_loop().create_future()
        line.append((question, waiter))
        # The task first runs in the next iteration of the loop; by then every request of this one has asked.
        if self._serving is None:
            self._serving = asyncio.get_running_loop().create_task(self._serve())
        return waiter

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
        parts = self._parts(turn)
        replies = iter(await self._replies([command for part in parts for command in part.commands]))
        for part in parts:
            part.tell([next(replies) for _ in part.commands])

    async def _replies(self, commands: Sequence[Call | Read]) -> list[Any]:
        """Redis's reply to each command. What it refused because it has forgotten a script is sent again, and only that: the rest was carried out."""
        replies = await self._send([command.by_hash() for command in commands])
        again = unknown(replies)
        if again:
            for n, reply in zip(again, await self._repeat([commands[n] for n in again]), strict=True):
                replies[n] = reply
        return replies

    async def _repeat(self, commands: Sequence[Call | Read]) -> list[Any]:
        """The replies to commands sent with their sources. If the connection is lost, that is the reply to each, and the others keep theirs."""
        try:
            return await self._send([command.by_source() for command in commands])
        except RedisError as error:
            return [error] * len(commands)

    async def _send(self, commands: Sequence[tuple[object, ...]]) -> list[Any]:
        """The reply to each command, in one round trip; an error that Redis answered stands for its reply. Raises RedisError without an answer."""
        pipeline: Any = self._redis.pipeline(transaction=False)  # whose commands redis-py leaves untyped
        for command in commands:
            pipeline.execute_command(*command)
        return await cast("Awaitable[list[Any]]", pipeline.execute(raise_on_error=False))

    def _parts(self, turn: Turn) -> list[Part]:
        keys = self._keys
        stock = [keys.tokens, keys.claims, keys.buyers]
        outbox, fenced = ([keys.outbox], [keys.outbox, keys.fence]) if self._outbox else ([], [])
        claiming = [self._per_buyer, self._incarnation, *[buyer for buyer, _ in turn.claims]]
        numbers = [number for number, _ in turn.looks]
        held = [word for claim, _ in turn.returned for word in (claim.number, claim.buyer, claim.nth, claim.stamp)]
        parts = [
            Part(turn.claims, [self._script.call([*stock, *fenced], claiming)], _one_list),
            Part(
                turn.looks,
                [Read(("HMGET", name, *numbers)) for name in (keys.claims, keys.confirmed, keys.rejected)],
                lambda columns: list(zip(*columns, strict=True)),
            ),
            Part(turn.counts, [Read(("LLEN", keys.tokens))], lambda replies: replies * len(turn.counts)),
            Part(turn.confirmed, [CONFIRM.call([keys.outbox], _stamps(turn.confirmed))], _one_list),
            Part(
                turn.taken_over,
                [TAKE_OVER.call([keys.outbox, keys.fence], [self._incarnation, *_stamps(turn.taken_over)])],
                _one_list,
            ),
            Part(turn.returned, [self._returning.call([*stock, *outbox], held)], _one_list),
        ]
        return [part for part in parts if part.asked]


def _stamps(asked: Sequence[tuple[Claim, Waiter]]) -> list[str]:
    return [word for claim, _ in asked for word in (claim.number, claim.stamp)]


def _one_list(replies: list[Any]) -> Sequence[Any]:
    """The answers of a script that returns one for each waiter."""
    return cast("Sequence[Any]", replies[0])


def _fail(waiters: Sequence[Waiter], reason: str) -> None:
    for waiter in waiters:
        if not waiter.done():  # otherwise its request was cancelled
            waiter.set_exception(Unavailable(reason))


def _connect(config: Config) -> redis.asyncio.Redis:
    """A client without retries, for the reason at `claims.connect`."""
    return redis.asyncio.Redis.from_url(
        config.redis_url,
        decode_responses=True,
        socket_timeout=config.timeout_s,
        socket_connect_timeout=config.timeout_s,
        retry=Retry(NoBackoff(), 0),
    )
