"""`tokens_reconciled`: `tokens`, with a record of which orders the queue has, so that one in doubt can be sent again."""

from contextlib import suppress

from target.config import Config
from target.errors import AlreadyBought, NotSent, Unavailable
from target.queue.dispatch import Dispatch
from target.schemes.tokens import Tokens
from target.stores.claims import Claim
from target.stores.turn import ClaimPipeline

# How long an order may be on its way before it is in doubt by itself. Sending it twice is safe, but costs the workers a turn.
PATIENCE_S = 10.0


class TokensReconciled(Tokens):
    """As `Tokens`; and who asks again about an order that may never have reached the queue has the same claim sent again.

    The claim and its entry in the outbox are made in one step, so that a process that dies leaves the trace of what it had
    not sent. One claim makes at most one row, however often it is sent.

    *Warning:* only the buyer's asking again sends an order again. Where the buyer has left, its unit stays claimed until
    something looks through the outbox.
    """

    def __init__(self, config: Config, dispatch: Dispatch | None = None, pipeline: ClaimPipeline | None = None) -> None:
        super().__init__(config, dispatch, pipeline or ClaimPipeline(config, outbox=True))

    async def buy(self, buyer: str) -> str:
        """See `Scheme.buy`. An order that was sent again counts as bought now: before, nobody could say that it was safe."""
        try:
            claim, first = await self._pipeline.claim(buyer), True
        except AlreadyBought as error:
            claim, first = Claim(error.number, buyer, error.nth), False
            if not await self._pipeline.in_doubt(claim, PATIENCE_S):
                raise
        try:
            await self._dispatch.send(claim)
        except Unavailable as error:
            await self._failed(claim, proven=first and isinstance(error, NotSent))
            raise
        # The order is safe. Left in the outbox it would only be sent once more if its buyer asked again.
        with suppress(Unavailable):
            await self._pipeline.confirm(claim)
        return claim.number

    async def _failed(self, claim: Claim, *, proven: bool) -> None:
        """Give the unit back if no attempt can have got anywhere; of an earlier one nobody knows."""
        if proven:
            await self._pipeline.confirm(claim)  # first: once given back, the number may be another buyer's
            await self._pipeline.give_back(claim)
        else:
            with suppress(Unavailable):
                await self._pipeline.doubt(claim)
