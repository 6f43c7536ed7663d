"""`no_unique`: nothing in the table refuses an order that the queue delivers again."""

from dataclasses import replace

from target.mutants import Mutant, unlucky
from target.stores.claims import Claim, Placement
from target.stores.orders import UnguardedOrders


class PlacedAgain(UnguardedOrders):
    """Writes the rows in the table without guards, and every tenth twice: as a worker that died between the commit and the
    acknowledgement would have had it, at the hands of its successor.
    """

    def place(self, claim: Claim) -> Placement:
        if unlucky(claim.number):
            super().place(claim)
        return super().place(claim)


MUTANT = Mutant(
    name="no_unique",
    what="the orders' table has no UNIQUE constraint, and every tenth order is delivered twice",
    put_in=lambda honest: replace(honest, orders=PlacedAgain),
    batched=False,
)
