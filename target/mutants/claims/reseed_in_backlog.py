"""`reseed_in_backlog`: the empty list is refilled with stock − rows while orders still wait in the queue."""

import asyncio
from dataclasses import replace

import sqlalchemy as sa

from target.config import Config
from target.errors import SoldOut
from target.mutants import Mutant
from target.schemes.tokens import Tokens
from target.stores import claims, database
from target.stores.models import Order


class Reseeding(Tokens):
    """The first buyer who finds the list empty refills it with every number that has no row: stock − rows, where stock − rows − queued
    would be right.
    """

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._filling: asyncio.Future[None] | None = None

    async def buy(self, buyer: str) -> str:
        try:
            return await super().buy(buyer)
        except SoldOut:
            if self._filling is None:
                self._filling = asyncio.ensure_future(asyncio.to_thread(self._fill))
            await self._filling
            return await super().buy(buyer)

    def _fill(self) -> None:
        config = self._config
        with database.connect(config, 1).connect() as connection:
            sold = set(connection.scalars(sa.select(Order.number).where(Order.sale == config.sale)))
        with claims.connect(config) as client:
            for number in map(config.number, range(1, config.stock + 1)):
                if number not in sold:
                    client.rpush(claims.Keys.of(config.sale).tokens, number)


MUTANT = Mutant(
    name="reseed_in_backlog",
    what="the empty list is filled with every number that has no row yet, though their orders wait in the queue",
    put_in=lambda honest: replace(honest, scheme=Reseeding),
)
