"""`row_lock`: SELECT … FOR UPDATE on the sale's row, before anything else in the transaction."""

import sqlalchemy as sa

from target.errors import SoldOut, Unavailable
from target.schemes.in_database import InDatabase
from target.stores.claims import Claim
from target.stores.models import Sale


class RowLock(InDatabase):
    """Locks the sale's row first: only the transaction that holds the lock reads, decides and counts.

    *Warning:* correct, and a lock convoy. Every request, also one that gets nothing, waits in line for the one row, and occupies a
    connection and a thread meanwhile; the wait is the number of buyers times the duration of a transaction.
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
