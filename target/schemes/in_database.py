"""The base class of the schemes that decide in the database: one transaction for each purchase, in a thread, within the request."""

from typing import ClassVar

import sqlalchemy as sa

from target.config import Config
from target.errors import AlreadyBought, ConfigError, Unavailable
from target.queue.dispatch import Threads
from target.stores import claims
from target.stores.claims import Claim, Keys, State
from target.stores.database import connect, connected, reset, transaction
from target.stores.models import Order, Sale, UnguardedOrder
from target.stores.orders import numbers_of, store


class InDatabase:
    """Base of those schemes. A subclass implements `_take`: how a buyer gets a unit.

    Dispatch `queued` is refused: the database decides within the request, so a queue behind it would not relieve the database.
    """

    TABLE: ClassVar[type[Order] | type[UnguardedOrder]] = Order

    def __init__(self, config: Config) -> None:
        if config.dispatch != "inline":
            raise ConfigError(
                f"SHOP_DISPATCH: expected inline with SHOP_SCHEME={config.scheme}, found {config.dispatch!r}"
            )
        self._config = config
        self._engine = connect(config, config.db_pool)
        self._threads = Threads(config.db_pool, "database")

    def prepare(self) -> None:
        """See `Scheme.prepare`. Also deletes the sale's keys in Redis, so that no claims of another scheme are left."""
        with self._engine.connect() as connection:
            reset(connection, self._config)
            self._stock_up(connection)
        with claims.connect(self._config) as client:
            claims.seed(client, Keys.of(self._config.sale), [])

    async def buy(self, buyer: str) -> str:
        """See `Scheme.buy`."""
        return await self._threads.run(self._sell, buyer)

    async def status(self, number: str, buyer: str | None) -> State | None:
        """See `Scheme.status`. Reads the database: the row is committed before the buyer is told its number, so that an order is never *queued*."""
        owners = await self._threads.run(self._owners, number)
        return "confirmed" if owners and (buyer is None or buyer in owners) else None

    async def left(self) -> int:
        """See `Scheme.left`."""
        return await self._threads.run(self._left)

    async def close(self) -> None:
        """See `Scheme.close`."""
        self._threads.close()
        self._engine.dispose()

    # For subclasses to override.

    def _take(self, connection: sa.Connection, buyer: str) -> Claim:
        """Take a unit for `buyer`, in the transaction that then writes the order's row. Raises SoldOut, AlreadyBought."""
        raise NotImplementedError

    def _stock_up(self, connection: sa.Connection) -> None:
        """Create what else the scheme needs before a sale."""

    def _count(self, connection: sa.Connection) -> int:
        """How many units are left."""
        sold = connection.scalar(sa.select(Sale.sold).where(Sale.id == self._config.sale)) or 0
        return max(0, self._config.stock - sold)

    # For subclasses to call.

    def _nth(self, connection: sa.Connection, buyer: str) -> int:
        """Which of the buyer's units the next one would be, from 1. Raises AlreadyBought if the buyer is at the cap."""
        numbers = numbers_of(connection, self._config.sale, buyer)
        if len(numbers) >= self._config.per_buyer:
            raise AlreadyBought(numbers[-1])
        return len(numbers) + 1

    def _sell(self, buyer: str) -> str:
        with transaction(self._engine) as connection:
            claim = self._take(connection, buyer)
            if not store(connection, self._config.sale, claim):
                self._refused(connection, buyer)
            return claim.number

    def _refused(self, connection: sa.Connection, buyer: str) -> None:
        """Raise after UNIQUE kept the row out: AlreadyBought after a simultaneous click of the same buyer, else Unavailable. The unit is rolled back."""
        if numbers := numbers_of(connection, self._config.sale, buyer):
            raise AlreadyBought(numbers[-1])
        raise Unavailable(f"sale {self._config.sale!r} is not as prepared; run: python -m target prepare")

    def _owners(self, number: str) -> list[str]:
        with connected(self._engine) as connection:
            return list(connection.scalars(sa.select(self.TABLE.buyer).where(self.TABLE.number == number)))

    def _left(self) -> int:
        with connected(self._engine) as connection:
            return self._count(connection)
