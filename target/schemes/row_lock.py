"""`row_lock`: SELECT … FOR UPDATE on the stock row, then everything else."""

import sqlalchemy as sa

from target.errors import SoldOut, Unavailable
from target.schemes.in_database import InDatabase
from target.stores.claims import Claim
from target.stores.models import Sale


class RowLock(InDatabase):
    """Locks the row of the sale first: whoever holds it reads, decides and counts alone.

    *Warning:* correct, and a convoy. Every request, also of those who get nothing, waits in line for the one row, with a
    connection and a thread of its own; the waiting time is the herd's size times a transaction's.
    """

    def _take(self, connection: sa.Connection, buyer: str) -> Claim:
        sale = Sale.id == self._config.sale
        sold = connection.scalar(sa.select(Sale.sold).where(sale).with_for_update())
        if sold is None:
            raise Unavailable(f"sale {self._config.sale!r} is not in the database; run: python -m target prepare")
        nth = self._nth(connection, buyer)
        if sold >= self._config.stock:
            raise SoldOut("sold out")
        connection.execute(sa.update(Sale).where(sale).values(sold=sold + 1))
        return Claim(self._config.number(sold + 1), buyer, nth)
