"""`tokens_reconciled`: `tokens` with an outbox of orders that the queue has not confirmed, so that they can be sent again."""

from contextlib import suppress

from target.config import Config
from target.errors import AlreadyBought, NotSent, Unavailable
from target.queue.dispatch import Dispatch
from target.schemes.tokens import Tokens
from target.stores.claims import Claim
from target.stores.turn import ClaimPipeline

# Seconds without a confirmation after which an order counts as in doubt. Sending it twice is safe, but gives the workers more to do.
PATIENCE_S = 10.0


class TokensReconciled(Tokens):
    """As `Tokens`, but when a buyer asks again whose order may never have reached the queue, that order is sent again.

    The claim and its entry in the outbox are made by one script, so that a process that dies leaves a record of what it had
    not sent. One claim makes at most one row, however often its order is sent.

    *Warning:* an order is sent again only when its buyer asks again. If the buyer has left, the unit stays claimed until
    something else goes through the outbox, which nothing here does.
    """

    def __init__(self, config: Config, dispatch: Dispatch | None = None, pipeline: ClaimPipeline | None = None) -> None:
        super().__init__(config, dispatch, pipeline or ClaimPipeline(config, outbox=True))

    async def buy(self, buyer: str) -> str:
        """See `Scheme.buy`. Also returns the number, instead of raising AlreadyBought, when it sent again an order that was in doubt."""
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
        # The order is safe. An entry left in the outbox would only have it sent once more if its buyer asked again.
        with suppress(Unavailable):
            await self._pipeline.confirm(claim)
        return claim.number

    async def _failed(self, claim: Claim, *, proven: bool) -> None:
        """Give the unit back if it is `proven` that its order was never sent; else mark the order as in doubt."""
        if proven:
            await self._pipeline.confirm(claim)  # first, because after `give_back` the number may be another buyer's
            await self._pipeline.give_back(claim)
        else:
            with suppress(Unavailable):
                await self._pipeline.doubt(claim)
