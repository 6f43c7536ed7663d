"""`failed_batch`: a batch fails, and all of its orders are acknowledged all the same, as celery-batches does it."""

from collections.abc import Sequence
from dataclasses import replace

from target.errors import Unavailable
from target.mutants import Mutant, log, strike
from target.stores.claims import Claim, Placement
from target.stores.orders import Orders


class Acknowledging(Orders):
    """Reports every order of a failed batch as placed. The database fails for each batch that contains a tenth order."""

    def place_all(self, orders: Sequence[Claim]) -> list[Placement]:
        try:
            for claim in orders:
                strike(claim.number, "the database did not answer")
            return super().place_all(orders)
        except Unavailable as error:
            log.warning("%s", error)
            return ["placed"] * len(orders)


MUTANT = Mutant(
    name="failed_batch",
    what="a batch that cannot be written is logged and acknowledged, every order of it; it is so for each that has a tenth",
    put_in=lambda honest: replace(honest, orders=Acknowledging),
    batched=True,
)
