"""`optimistic`: read a version, write only if it still stands, and do not try again. A control: it must undersell."""

import sqlalchemy as sa

from target.errors import SoldOut
from target.schemes.in_database import InDatabase
from target.stores.claims import Claim
from target.stores.models import Sale


class Optimistic(InDatabase):
    """Reads the stock without a lock, and counts only if nobody has counted since. `sold` is its own version: it only rises.

    *Warning:* of all who read the same version one wins, and the others are told *sold out* while stock remains: it
    undersells, the more the harder it is run. With enough tries it would be correct, and slower than a lock.
    """

    def _take(self, connection: sa.Connection, buyer: str) -> Claim:
        sale = Sale.id == self._config.sale
        seen = connection.scalar(sa.select(Sale.sold).where(sale)) or 0
        nth = self._nth(connection, buyer)
        if seen >= self._config.stock:
            raise SoldOut("sold out")
        counted = connection.execute(sa.update(Sale).where(sale, Sale.sold == seen).values(sold=seen + 1))
        if not counted.rowcount:
            raise SoldOut("somebody else was faster, and nobody tries again")
        return Claim(self._config.number(seen + 1), buyer, nth)
