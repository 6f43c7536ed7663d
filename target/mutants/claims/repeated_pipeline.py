"""`repeated_pipeline`: after NOSCRIPT the whole pipeline is sent again, also what Redis has carried out."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from target.config import Config
from target.errors import NotSent
from target.mutants import Mutant
from target.mutants.claims.refused_after_the_click import Refusing
from target.schemes.tokens import Tokens
from target.stores.claims import CLAIM, GIVE_BACK, Call, Script, unknown
from target.stores.turn import ClaimPipeline, Part, Read, Turn


class Forgetful(ClaimPipeline):
    """Redis has forgotten how to claim whenever a unit is given back in the same turn, but not how to give back."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._forgotten = 0

    def _parts(self, turn: Turn) -> list[Part]:
        if turn.returned:
            self._forgotten += 1
            self._script = Script(f"{CLAIM.source}-- {self._incarnation} {self._forgotten}")
        return super()._parts(turn)

    async def _send(self, commands: Sequence[tuple[object, ...]]) -> list[Any]:
        await self._redis.script_load(GIVE_BACK.source)
        return await super()._send(commands)


class Repeating(Forgetful):
    """Sends all of a turn again."""

    async def _replies(self, commands: Sequence[Call | Read]) -> list[Any]:
        replies = await self._send([command.by_hash() for command in commands])
        if unknown(replies):
            return await self._send([command.by_source() for command in commands])
        return replies


class AsksAgain(Tokens):
    """The buyer of a refused order asks again at the moment in which the unit is given back."""

    async def buy(self, buyer: str) -> str:
        claim = await self._pipeline.claim(buyer)
        try:
            await self._dispatch.send(claim)
        except NotSent:
            _, claim = await asyncio.gather(self._pipeline.give_back(claim), self._pipeline.claim(buyer))
            await self._dispatch.send(claim)
        return claim.number


MUTANT = Mutant(
    name="repeated_pipeline",
    what="after NOSCRIPT the whole pipeline is sent again; every tenth unit is given back in one whose claims Redis refused",
    put_in=lambda honest: replace(
        honest, scheme=lambda config: AsksAgain(config, Refusing(config, after_s=0), Repeating(config))
    ),
)
