"""`no_unique`: nothing in the table refuses an order that the queue delivers again."""

from dataclasses import replace

from target.mutants import Mutant, unlucky
from target.stores.claims import Claim, Placement
from target.stores.orders import UnguardedOrders


class PlacedAgain(UnguardedOrders):
    """Writes rows in the table without constraints, and every tenth twice, as happens when a worker dies between commit and
    acknowledgement and the order is redelivered.
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
