"""`tokens_reconciled`: `tokens` with fenced claims, and an outbox of the orders that the queue has not confirmed, so that they can be sent again."""

import asyncio
from contextlib import suppress
from typing import NoReturn

from target.config import Config
from target.errors import AlreadyBought, NotSent, Rejected, Unavailable
from target.queue.dispatch import Dispatch
from target.schemes.tokens import Tokens
from target.stores.claims import Claim
from target.stores.turn import ClaimPipeline, OnItsWay

Failure = Unavailable | Rejected

# How long an order that another process is sending is left to it: longer than an enqueue takes, short for a buyer whose process has died. Sending
# twice is safe, but gives the workers more to do.
GRACE_S = 0.5
PAUSE_S = 0.05  # between two looks at whether it has sent it


class TokensReconciled(Tokens):
    """As `Tokens`, but no buyer is told a number before its order is safe, and an order that may never have reached the queue is sent again
    when its buyer asks again.

    The claim and its entry in the outbox are made by one script, so that a process that dies leaves a record of what it had not sent. The
    entry holds a stamp, a fencing token: whoever sends the order again stamps it anew, and from then on whoever held the older stamp can neither
    confirm the order nor give its unit back. One claim makes at most one row, however often its order is sent.

    A request whose order is already on its way from this process waits for the outcome, for at most SHOP_TIMEOUT_S, and shares it. An order that
    this process has failed to send is sent again at once. One that another process has stamped is sent again after GRACE_S, because that process may
    have died: also the process that this one has replaced.

    *Warning:* a unit is given back only if the single attempt to send its order provably failed. After two such attempts, and where the buyer has
    left, it stays claimed until something else goes through the outbox, which nothing here does.
    """

    def __init__(self, config: Config, dispatch: Dispatch | None = None, pipeline: ClaimPipeline | None = None) -> None:
        super().__init__(config, dispatch, pipeline or ClaimPipeline(config, outbox=True))
        self._sending: dict[str, asyncio.Future[Failure | None]] = {}  # stamp → how it ended, None if the order is safe

    async def buy(self, buyer: str) -> str:
        """See `Scheme.buy`. Also returns the number, instead of raising AlreadyBought, when it sent again an order that was in doubt."""
        try:
            claim = await self._pipeline.claim(buyer)
        except OnItsWay as found:
            return await self._again(found.claim)
        return await self._send(claim, only=True)

    async def _again(self, claim: Claim) -> str:
        """Come to an outcome for an order that somebody has begun to send: share it, or send the order again. Raises OnItsWay after SHOP_TIMEOUT_S."""
        now = asyncio.get_running_loop().time
        until_s, theirs_until_s = now() + self._config.timeout_s, now() + GRACE_S
        while now() < until_s:
            sending = self._sending.get(claim.stamp)
            if sending is not None:
                await self._share(sending, claim)
            if self._pipeline.stamped(claim) or now() >= theirs_until_s:
                taken = await self._pipeline.take_over(claim)
                if taken is not None:
                    return await self._send(taken, only=False)
            else:
                await asyncio.sleep(PAUSE_S)
            try:  # it is safe by now (AlreadyBought), or given back, or stamped by another
                fresh = await self._pipeline.claim(claim.buyer)
            except OnItsWay as found:
                if found.claim.stamp != claim.stamp:
                    claim, theirs_until_s = found.claim, now() + GRACE_S
            else:
                return await self._send(fresh, only=True)
        raise OnItsWay(claim)

    async def _share(self, sending: "asyncio.Future[Failure | None]", claim: Claim) -> NoReturn:
        """Raises what the request that is sending the order comes to: AlreadyBought if it is safe, else its failure, or Unavailable if that takes too long."""
        try:
            failure = await asyncio.wait_for(asyncio.shield(sending), self._config.timeout_s)
        except TimeoutError:
            raise OnItsWay(claim) from None
        if failure is not None:
            raise type(failure)(str(failure))
        raise AlreadyBought(claim.number, claim.nth)

    async def _send(self, claim: Claim, *, only: bool) -> str:
        """Send the order, and tell those who wait for the outcome. `only`: nobody else has tried to. Returns its number once it is safe."""
        sending = self._sending[claim.stamp] = asyncio.get_running_loop().create_future()
        outcome: Failure | None = Unavailable(f"the request for {claim.number} was cancelled")
        try:
            await self._deliver(claim, only=only)
            outcome = None
        except (Unavailable, Rejected) as error:
            outcome = error
            raise
        finally:
            del self._sending[claim.stamp]
            sending.set_result(outcome)
        return claim.number

    async def _deliver(self, claim: Claim, *, only: bool) -> None:
        try:
            await self._dispatch.send(claim)
        except NotSent as error:
            if only and await self._pipeline.give_back(claim):
                raise
            # An earlier attempt, or another's since, may have reached the queue: the claim stands.
            raise Unavailable(f"{claim.number} may have been sent before: {error}") from error
        # The order is safe. An entry left in the outbox would only have it sent once more if its buyer asked again.
        with suppress(Unavailable):
            await self._pipeline.confirm(claim)
