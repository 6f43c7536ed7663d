"""`naive`: the control. The shop that everybody writes first; it must oversell, or the harness measures nothing."""

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute

from target.claims import State
from target.config import Config
from target.database import connect, connected, reset
from target.dispatch import Threads
from target.errors import ConfigError, SoldOut
from target.models import Sale, UnguardedOrder


class Naive:
    """Reads the stock, checks it, inserts the order and counts it. Keeps its orders in a table without guards.

    *Warning:* between the reading and the counting everybody else reads the same stock: it oversells, and its counter falls
    behind its rows. It keeps no cap for a buyer either.
    """

    def __init__(self, config: Config) -> None:
        if config.dispatch != "inline":
            raise ConfigError(f"SHOP_DISPATCH: expected inline with SHOP_SCHEME=naive, found {config.dispatch!r}")
        self._config = config
        self._engine = connect(config, config.db_pool)
        self._threads = Threads(config.db_pool, "database")
        self._numbers = sa.Sequence(f"{config.sale}_numbers")

    def prepare(self) -> None:
        """See `Scheme.prepare`."""
        with self._engine.connect() as connection:
            reset(connection, self._config)
            connection.execute(sa.schema.DropSequence(self._numbers, if_exists=True))
            connection.execute(sa.schema.CreateSequence(self._numbers))

    async def buy(self, buyer: str) -> str:
        """See `Scheme.buy`."""
        return await self._threads.run(self._sell, buyer)

    async def status(self, number: str, buyer: str | None) -> State | None:
        """See `Scheme.status`. From the database: the row is written before the buyer knows its number."""
        owners = await self._threads.run(self._owners, number)
        return "confirmed" if owners and (buyer is None or buyer in owners) else None

    async def left(self) -> int:
        """See `Scheme.left`."""
        return await self._threads.run(self._left)

    async def close(self) -> None:
        """See `Scheme.close`."""
        self._threads.close()
        self._engine.dispose()

    def _sell(self, buyer: str) -> str:
        with connected(self._engine) as connection:
            sold = self._read(connection, Sale.sold)
            if sold >= self._config.stock:
                raise SoldOut("sold out")
            number = self._config.number(connection.scalar(self._numbers) or 0)
            connection.execute(sa.insert(UnguardedOrder).values(sale=self._config.sale, number=number, buyer=buyer))
            connection.execute(sa.update(Sale).where(Sale.id == self._config.sale).values(sold=sold + 1))
            return number

    def _owners(self, number: str) -> list[str]:
        with connected(self._engine) as connection:
            return list(connection.scalars(sa.select(UnguardedOrder.buyer).where(UnguardedOrder.number == number)))

    def _left(self) -> int:
        with connected(self._engine) as connection:
            return max(0, self._config.stock - self._read(connection, Sale.sold))

    def _read(self, connection: sa.Connection, column: InstrumentedAttribute[int]) -> int:
        return connection.scalar(sa.select(column).where(Sale.id == self._config.sale)) or 0
