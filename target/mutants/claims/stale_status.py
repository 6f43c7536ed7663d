"""`stale_status`: the status of an order is kept in a cache that nobody clears."""

from dataclasses import replace

from target.config import Config
from target.mutants import Mutant
from target.schemes.tokens import Tokens
from target.stores.claims import State


class Cached(Tokens):
    """Remembers what it once said of an order, and says it for ever: a buyer who asks before the row is written is never told of it."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._known: dict[tuple[str, str | None], State] = {}

    async def status(self, number: str, buyer: str | None) -> State | None:
        known = self._known.get((number, buyer)) or await super().status(number, buyer)
        if known:
            self._known[number, buyer] = known
        return known


MUTANT = Mutant(
    name="stale_status",
    what="the status of an order is kept in a cache that nobody clears: who asks while it is queued is told so for ever",
    put_in=lambda honest: replace(honest, scheme=Cached),
)
