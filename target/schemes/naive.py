"""`naive`: check the stock, then insert. A control, the shop that everybody writes first: it must oversell, or the harness measures nothing."""

from typing import ClassVar

import sqlalchemy as sa

from target.config import Config
from target.errors import SoldOut
from target.schemes.in_database import InDatabase
from target.stores.database import connected
from target.stores.models import Order, Sale, UnguardedOrder


class Naive(InDatabase):
    """Reads the counter, checks it, inserts the order and writes the counter. Keeps its orders in a table without constraints.

    *Warning:* between the read and the write other buyers read the same counter: it oversells, and the counter falls
    behind the rows. It enforces no cap per buyer either.
    """

    TABLE: ClassVar[type[Order] | type[UnguardedOrder]] = UnguardedOrder

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._numbers = sa.Sequence(f"{config.sale}_numbers")

    def _stock_up(self, connection: sa.Connection) -> None:
        connection.execute(sa.schema.DropSequence(self._numbers, if_exists=True))
        connection.execute(sa.schema.CreateSequence(self._numbers))

    def _sell(self, buyer: str) -> str:
        # Unlike `InDatabase._sell`: no transaction, and no check of what the buyer has.
        with connected(self._engine) as connection:
            sold = connection.scalar(sa.select(Sale.sold).where(Sale.id == self._config.sale)) or 0
            if sold >= self._config.stock:
                raise SoldOut("sold out")
            number = self._config.number(connection.scalar(self._numbers) or 0)
            connection.execute(sa.insert(UnguardedOrder).values(sale=self._config.sale, number=number, buyer=buyer))
            connection.execute(sa.update(Sale).where(Sale.id == self._config.sale).values(sold=sold + 1))
            return number
