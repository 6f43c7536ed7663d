"""`answer_before_enqueue`: the buyer is told *won* before the queue has the order."""

import asyncio
from dataclasses import replace

from target.config import Config
from target.errors import Unavailable
from target.mutants import Mutant, log, strike
from target.queue.dispatch import Queued
from target.schemes.tokens import Tokens
from target.stores.claims import Claim


class AnswersFirst(Queued):
    """Sends in the background, and returns at once. Every tenth enqueue fails, after its buyer was told *won*."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._sending: set[asyncio.Task[None]] = set()

    async def send(self, claim: Claim) -> None:
        task = asyncio.get_running_loop().create_task(self._send_later(claim))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _send_later(self, claim: Claim) -> None:
        try:
            strike(claim.number, "the broker did not confirm")
            await super().send(claim)
        except Unavailable as error:
            log.warning("too late to tell anybody: %s", error)


MUTANT = Mutant(
    name="answer_before_enqueue",
    what="winners are answered before their order is on the queue, and every tenth never gets there",
    put_in=lambda honest: replace(honest, scheme=lambda config: Tokens(config, AnswersFirst(config))),
)
