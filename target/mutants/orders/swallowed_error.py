"""`swallowed_error`: the database fails, the task logs the error and succeeds, and so the order is acknowledged without a row."""

from dataclasses import replace

from target.errors import Unavailable
from target.mutants import Mutant, log, strike
from target.stores.claims import Claim, Placement
from target.stores.orders import Orders


class Swallowing(Orders):
    """Logs an error and reports the order as placed. The database fails for every tenth order."""

    def place(self, claim: Claim) -> Placement:
        try:
            strike(claim.number, "the database did not answer")
            return super().place(claim)
        except Unavailable as error:
            log.warning("%s", error)
            return "placed"


MUTANT = Mutant(
    name="swallowed_error",
    what="a worker that cannot write a row logs it and acknowledges the order; it is so for every tenth",
    put_in=lambda honest: replace(honest, orders=Swallowing),
    batched=False,
)
