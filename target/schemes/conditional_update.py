"""`conditional_update`: UPDATE … WHERE sold < stock; the database checks and counts in one statement."""

import sqlalchemy as sa

from target.errors import SoldOut
from target.schemes.in_database import InDatabase
from target.stores.claims import Claim
from target.stores.models import Sale


class ConditionalUpdate(InDatabase):
    """Counts only where a unit is left; the count is the order number. The order's row follows in the same transaction.

    *Warning:* correct, and one hot row: each winner holds it until its commit, so that units are sold one at a time however many
    connections there are. Buyers who come after the last unit wait for no lock.
    """

    def _take(self, connection: sa.Connection, buyer: str) -> Claim:
        counted = sa.update(Sale).where(Sale.id == self._config.sale, Sale.sold < Sale.stock)
        sold = connection.scalar(counted.values(sold=Sale.sold + 1).returning(Sale.sold))
        # Read after the update, which locks the row: so two simultaneous clicks of a buyer come here one after the other.
        nth = self._nth(connection, buyer)
        if sold is None:
            raise SoldOut("sold out")
        return Claim(self._config.number(sold), buyer, nth)
