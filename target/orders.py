"""Placing an order: the row in the database, then the end of its claim in Redis. Blocking; the queue's workers and the
threads of the inline dispatch both come here.
"""

from typing import Protocol

import sqlalchemy as sa
from redis import RedisError

from target import claims
from target.claims import Claim, Keys, Placement
from target.config import Config
from target.database import connect, connected
from target.errors import Unavailable
from target.models import Order, Sale, UnguardedOrder

# One statement, one commit, and nothing to undo: a row that a UNIQUE constraint refuses is left out.
INSERT = sa.text("""
INSERT INTO orders (number, sale, buyer, nth, stock, per_buyer)
SELECT :number, id, :buyer, :nth, stock, per_buyer FROM sales WHERE id = :sale
ON CONFLICT DO NOTHING
""")


class Placing(Protocol):
    """Places orders of one sale. Blocking, and safe in as many threads as it has connections."""

    def warm(self) -> None:
        """Open the connections before the first order does. Raises what the drivers raise."""

    def place(self, claim: Claim) -> Placement:
        """Write the row of `claim`, then end the claim.

        Raises:
            NotSent: there was no connection to the database; no row was written.
            Unavailable: the row may stand, or it stands and its claim is not ended. Place it again.
        """

    def close(self) -> None:
        """Give the connections back."""


class Orders:
    """Places orders of one sale over at most `connections` to the database, and as many to Redis."""

    def __init__(self, config: Config, connections: int) -> None:
        self._sale = config.sale
        self._engine = connect(config, connections)
        self._redis = claims.connect(config, connections)
        self._keys = Keys.of(config.sale)

    def warm(self) -> None:
        """See `Placing.warm`."""
        with self._engine.connect() as connection:
            connection.execute(sa.text("SELECT 1"))
        self._redis.ping()

    def place(self, claim: Claim) -> Placement:
        """See `Placing.place`. Safe to repeat: one claim makes at most one row.

        Nobody is told *confirmed* before the row is committed.
        """
        placement = self._write(claim)
        try:
            claims.settle(self._redis, self._keys, claim, placement)
        except RedisError as error:
            raise Unavailable(f"Redis did not end the claim of {claim.number}: {error}") from error
        return placement

    def close(self) -> None:
        """See `Placing.close`."""
        self._engine.dispose()
        self._redis.close()

    def _write(self, claim: Claim) -> Placement:
        return insert(self._engine, self._sale, claim)


class UnguardedOrders(Orders):
    """Places orders in the table without guards.

    *Warning:* nothing refuses a row there: placed twice, an order is there twice.
    """

    def _write(self, claim: Claim) -> Placement:
        with connected(self._engine) as connection:
            row = {"sale": self._sale, "number": claim.number, "buyer": claim.buyer}
            connection.execute(sa.insert(UnguardedOrder).values(row))
        return "placed"


def numbers_of(connection: sa.Connection, sale: str, buyer: str) -> list[str]:
    """The numbers of a buyer's rows, in the order they were bought."""
    query = sa.select(Order.number).where(Order.sale == sale, Order.buyer == buyer).order_by(Order.nth)
    return list(connection.scalars(query))


def store(connection: sa.Connection, sale: str, claim: Claim) -> bool:
    """Write a row; False where a UNIQUE constraint keeps it out. Raises IntegrityError where another guard does."""
    row = {"sale": sale, "number": claim.number, "buyer": claim.buyer, "nth": claim.nth}
    return bool(connection.execute(INSERT, row).rowcount)


def insert(engine: sa.Engine, sale: str, claim: Claim) -> Placement:
    """Write the row of `claim`: *placed*, *redelivered* if the very same order stands already, *rejected* if a guard of
    the database refuses it.

    Raises:
        NotSent, Unavailable: see `Orders.place`.
    """
    with connected(engine) as connection:
        try:
            return _insert(connection, sale, claim)
        except (sa.exc.IntegrityError, sa.exc.DataError):
            return "rejected"


def _insert(connection: sa.Connection, sale: str, claim: Claim) -> Placement:
    if store(connection, sale, claim):
        return "placed"
    owner = connection.scalar(sa.select(Order.buyer).where(Order.number == claim.number))
    if owner is None and connection.scalar(sa.select(Sale.id).where(Sale.id == sale)) is None:
        raise Unavailable(f"sale {sale!r} is not in the database; run: python -m target prepare")
    return "redelivered" if owner == claim.buyer else "rejected"
