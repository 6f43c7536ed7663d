"""`push_back_on_timeout`: a claim without a row after a time-out is put up for sale again, though its order still waits in the queue."""

import asyncio
from dataclasses import replace

from target.config import Config
from target.errors import SoldOut
from target.mutants import Mutant
from target.schemes.tokens import Tokens
from target.stores import claims

TIMEOUT_S = 0.3


class PushingBack(Tokens):
    """The first buyer who finds the list empty waits TIMEOUT_S, then pushes back the number of every claim still without a row.

    Behind a rate limiter an order waits longer than that: it is late, not lost.
    """

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._pushing: asyncio.Future[None] | None = None

    async def buy(self, buyer: str) -> str:
        try:
            return await super().buy(buyer)
        except SoldOut:
            if self._pushing is None:
                self._pushing = asyncio.ensure_future(self._push_back())
            await self._pushing
            return await super().buy(buyer)

    async def _push_back(self) -> None:
        await asyncio.sleep(TIMEOUT_S)
        await asyncio.to_thread(self._push)

    def _push(self) -> None:
        keys = claims.Keys.of(self._config.sale)
        with claims.connect(self._config) as client:
            for number in sorted(client.hkeys(keys.claims)):
                client.rpush(keys.tokens, number)


MUTANT = Mutant(
    name="push_back_on_timeout",
    what="a claim that has no row after 0.3 s is put up for sale again, though its order waits in the queue",
    put_in=lambda honest: replace(honest, scheme=PushingBack),
)
