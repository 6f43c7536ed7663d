"""`misread_result`: the worker takes the database's yes for a no."""

from dataclasses import replace

from target.mutants import Mutant, unlucky
from target.stores.claims import Claim, Placement
from target.stores.orders import Orders


class Misreading(Orders):
    """Writes the row, and reports of every tenth that the database refused it."""

    def _write(self, claim: Claim) -> Placement:
        placement = super()._write(claim)
        return "rejected" if unlucky(claim.number) else placement


MUTANT = Mutant(
    name="misread_result",
    what="a worker writes the row and takes it for refused: its buyer is told that the order was rejected; it is so for every tenth",
    put_in=lambda honest: replace(honest, orders=Misreading),
    batched=False,
)
