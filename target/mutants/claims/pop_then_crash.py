"""`pop_then_crash`: a number is popped, no claim is recorded, and the process dies before the enqueue."""

from dataclasses import replace

from target.mutants import Mutant, changed, strike
from target.queue.dispatch import Queued
from target.schemes.tokens import Tokens
from target.stores.claims import CLAIM, Claim
from target.stores.turn import ClaimPipeline

SCRIPT = changed(CLAIM, ("        redis.call('HSET', KEYS[2], number, buyer)\n", ""))


class Crashing(Queued):
    """Every tenth request fails after the pop, before its order is sent."""

    async def send(self, claim: Claim) -> None:
        strike(claim.number, "the process ended")
        await super().send(claim)


MUTANT = Mutant(
    name="pop_then_crash",
    what="no claim is recorded with the number that is popped, and every tenth request dies before the enqueue",
    put_in=lambda honest: replace(
        honest, scheme=lambda config: Tokens(config, Crashing(config), ClaimPipeline(config, SCRIPT))
    ),
)
