"""`tokens`: the order number of each unit waits in a Redis list, and each buyer takes one. The scheme that the harness was written for."""

from target.config import Config
from target.errors import NotSent
from target.queue.dispatch import Dispatch, Inline, Queued
from target.stores import claims, database
from target.stores.claims import Keys, State
from target.stores.turn import ClaimPipeline


class Tokens:
    """Pops an order number and records its claim in one script, then queues the order for the workers, or writes its row.

    The database decides last: it knows the stock, and refuses a second row for a number and a row past a buyer's cap.

    *Warning:* after the claim the process can die before the order is queued (or its row written), or the broker may not
    confirm that the order arrived. The unit is then claimed and perhaps never sold, and its buyer is told *already bought* from
    then on: nothing here looks for claims without orders.

    *Warning:* a second click is told the number as soon as it is claimed. If the broker then refuses the order, the unit is given back, and the number
    that the buyer was told is sold to another (`target.mutants.claims.refused_after_the_click` shows it). Knowing which orders are safe takes the
    outbox of `tokens_reconciled`.
    """

    def __init__(self, config: Config, dispatch: Dispatch | None = None, pipeline: ClaimPipeline | None = None) -> None:
        self._config = config
        self._pipeline = pipeline or ClaimPipeline(config)
        self._dispatch = dispatch or (Queued(config) if config.dispatch == "queued" else Inline(config))

    def prepare(self) -> None:
        """See `Scheme.prepare`."""
        config = self._config
        with database.connect(config, 1).connect() as connection:
            database.reset(connection, config)
        numbers = [config.number(unit) for unit in range(1, config.stock + 1)]
        with claims.connect(config) as client:
            claims.seed(client, Keys.of(config.sale), numbers)

    async def buy(self, buyer: str) -> str:
        """See `Scheme.buy`."""
        claim = await self._pipeline.claim(buyer)
        try:
            await self._dispatch.send(claim)
        except NotSent:
            await self._pipeline.give_back(claim)
            raise
        return claim.number

    async def status(self, number: str, buyer: str | None) -> State | None:
        """See `Scheme.status`. Reads Redis, so that polling costs the database nothing."""
        return await self._pipeline.look(number, buyer)

    async def left(self) -> int:
        """See `Scheme.left`."""
        return await self._pipeline.left()

    async def close(self) -> None:
        """See `Scheme.close`."""
        await self._dispatch.close()
        await self._pipeline.close()
