"""`refused_after_the_click`: the scheme `tokens` as it is, at a broker that refuses orders after their buyers have clicked twice."""

import asyncio
from dataclasses import replace

from target.config import Config
from target.errors import NotSent
from target.mutants import Mutant, unlucky
from target.queue.dispatch import Queued
from target.schemes.tokens import Tokens
from target.stores.claims import Claim

REFUSED_S = 0.3


class Refusing(Queued):
    """The broker refuses every tenth order after `after_s` seconds, the first time that it is sent."""

    def __init__(self, config: Config, after_s: float = REFUSED_S) -> None:
        super().__init__(config)
        self._after_s = after_s
        self._refused: set[str] = set()

    async def send(self, claim: Claim) -> None:
        if unlucky(claim.number) and claim.number not in self._refused:
            self._refused.add(claim.number)
            if self._after_s:
                await asyncio.sleep(self._after_s)
            raise NotSent(f"the broker refused {claim.number}")
        await super().send(claim)


MUTANT = Mutant(
    name="refused_after_the_click",
    what="a second click is told its number at once; the broker refuses every tenth order after it, and the number is sold again",
    put_in=lambda honest: replace(honest, scheme=lambda config: Tokens(config, Refusing(config))),
)
