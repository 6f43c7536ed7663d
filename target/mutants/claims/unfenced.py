"""`unfenced`: a unit is given back by whoever claimed it, though another has queued its order since."""

from dataclasses import replace

from target.config import Config
from target.errors import NotSent, Unavailable
from target.mutants import Mutant, changed, unlucky
from target.queue.dispatch import Queued
from target.schemes import Scheme
from target.schemes.tokens_reconciled import TokensReconciled
from target.stores.claims import GIVE_BACK, Claim
from target.stores.turn import ClaimPipeline

SCRIPT = changed(
    GIVE_BACK, ("  if ours and KEYS[4] then ours = redis.call('HGET', KEYS[4], number) == stamp end\n", "")
)


class Late(Queued):
    """The broker refuses every tenth order late: after its buyer has asked again, at another process, and that one has queued the order."""

    def __init__(self, config: Config, another: Scheme) -> None:
        super().__init__(config)
        self._another = another
        self.told: dict[str, str] = {}  # buyer → the number that the other process told them

    async def send(self, claim: Claim) -> None:
        if unlucky(claim.number) and claim.number not in self.told.values():
            self.told[claim.buyer] = await self._another.buy(claim.buyer)
            raise NotSent(f"the broker refused {claim.number}")
        await super().send(claim)


class TwoProcesses(TokensReconciled):
    """Two processes of the shop in one. The buyers of the unlucky orders get the answer to their second click."""

    def __init__(self, config: Config, pipeline: ClaimPipeline | None = None) -> None:
        self._another = TokensReconciled(config)
        self._late = Late(config, self._another)
        super().__init__(config, self._late, pipeline)

    async def buy(self, buyer: str) -> str:
        try:
            return await super().buy(buyer)
        except Unavailable:
            if buyer not in self._late.told:
                raise
            return self._late.told[buyer]

    async def close(self) -> None:
        await self._another.close()
        await super().close()


MUTANT = Mutant(
    name="unfenced",
    what="a unit is given back whatever its stamp says; every tenth order fails after a second click has queued it",
    put_in=lambda honest: replace(
        honest, scheme=lambda config: TwoProcesses(config, ClaimPipeline(config, outbox=True, returning=SCRIPT))
    ),
    scheme="tokens_reconciled",
)
