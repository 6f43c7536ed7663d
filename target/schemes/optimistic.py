"""`optimistic`: read a version, write only if it is unchanged, and do not retry. A control: it must undersell."""

import sqlalchemy as sa

from target.errors import SoldOut
from target.schemes.in_database import InDatabase
from target.stores.claims import Claim
from target.stores.models import Sale


class Optimistic(InDatabase):
    """Reads the counter without a lock, and increments it only if it is unchanged. `sold` only rises, so it is its own version.

    *Warning:* of all buyers who read the same version one wins, and the others are told *sold out* while stock remains: it
    undersells, the more so the more buyers come at once. With enough retries it would be correct, and slower than a lock.
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
