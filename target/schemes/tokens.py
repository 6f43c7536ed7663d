"""`tokens`: the scheme the harness was written for. Each unit's order number lies in a Redis list; a buyer takes one."""

from target.config import Config
from target.errors import NotSent
from target.queue.dispatch import Dispatch, Inline, Queued
from target.stores import claims, database
from target.stores.claims import Keys, State
from target.stores.turn import ClaimPipeline


class Tokens:
    """Takes a number and a claim on it in one step, then writes the row, or queues the order for the workers.

    The database has the last word: it knows the stock, and refuses a second row for a number or past a buyer's cap.

    *Warning:* between the claim and the queue (or the row) the process can die, or the broker fail to say whether the
    order arrived. The unit is then claimed and never sold, and its buyer is told *already bought* from then on: nothing
    here looks for claims without orders.
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
        """See `Scheme.status`. From Redis: looking at an order costs the database nothing."""
        return await self._pipeline.look(number, buyer)

    async def left(self) -> int:
        """See `Scheme.left`."""
        return await self._pipeline.left()

    async def close(self) -> None:
        """See `Scheme.close`."""
        await self._dispatch.close()
        await self._pipeline.close()
