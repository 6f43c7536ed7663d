"""Placing an order: write its row in the database, then end its claim in Redis.

Blocking. Used by the queue's workers and by the threads of the inline dispatch.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Protocol

import sqlalchemy as sa
from redis import RedisError

from target.config import Config
from target.errors import Unavailable
from target.stores import claims
from target.stores.claims import Claim, Keys, Placement
from target.stores.database import connect, connected
from target.stores.models import Order, Sale, UnguardedOrder

# One statement and one commit. A row that violates a UNIQUE constraint is skipped, with nothing to roll back.
INSERT = sa.text("""
INSERT INTO orders (number, sale, buyer, nth, stock, per_buyer)
SELECT :number, id, :buyer, :nth, stock, per_buyer FROM sales WHERE id = :sale
ON CONFLICT DO NOTHING
""")
# Many rows in one statement and one commit, sorted by number: otherwise two batches that share orders could deadlock.
INSERT_ALL = sa.text("""
INSERT INTO orders (number, sale, buyer, nth, stock, per_buyer)
SELECT o.number, s.id, o.buyer, o.nth, s.stock, s.per_buyer FROM sales s,
    unnest(CAST(:numbers AS text[]), CAST(:buyers AS text[]), CAST(:nths AS integer[])) AS o (number, buyer, nth)
WHERE s.id = :sale ORDER BY o.number
ON CONFLICT DO NOTHING RETURNING number, buyer
""")


class Placing(Protocol):
    """Places orders of one sale. Blocking. Thread-safe, for as many threads as it has connections."""

    def warm(self) -> None:
        """Open a connection to each store, so that the first order need not. Raises the drivers' errors."""

    def place(self, claim: Claim) -> Placement:
        """Write the row of `claim`, then end the claim.

        Raises:
            NotSent: there was no connection to the database; no row was written.
            Unavailable: the row may have been written, or it was written but its claim is not ended. Place it again.
        """

    def place_all(self, orders: Sequence[Claim]) -> list[Placement]:
        """As `place` for each of `orders`, with one statement and one commit for all. Raises the same."""

    def close(self) -> None:
        """Close the connections."""


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

        The claim becomes *confirmed* only after the row is committed.
        """
        placement = self._write(claim)
        try:
            claims.settle(self._redis, self._keys, claim, placement)
        except RedisError as error:
            raise Unavailable(f"Redis did not end the claim of {claim.number}: {error}") from error
        return placement

    def place_all(self, orders: Sequence[Claim]) -> list[Placement]:
        """See `Placing.place_all`. Safe to repeat. An order that the database refuses does not affect the others."""
        placements = self._write_all(orders)
        try:
            claims.settle_all(self._redis, self._keys, list(zip(orders, placements, strict=True)))
        except RedisError as error:
            raise Unavailable(f"Redis did not end the claims of {len(orders)} orders: {error}") from error
        return placements

    def close(self) -> None:
        """See `Placing.close`."""
        self._engine.dispose()
        self._redis.close()

    def _write(self, claim: Claim) -> Placement:
        return insert(self._engine, self._sale, claim)

    def _write_all(self, orders: Sequence[Claim]) -> list[Placement]:
        return insert_all(self._engine, self._sale, orders)


class UnguardedOrders(Orders):
    """Places orders in the table without constraints, for controls and mutants.

    *Warning:* an order that is placed twice has two rows.
    """

    def _write(self, claim: Claim) -> Placement:
        with connected(self._engine) as connection:
            row = {"sale": self._sale, "number": claim.number, "buyer": claim.buyer}
            connection.execute(sa.insert(UnguardedOrder).values(row))
        return "placed"

    def _write_all(self, orders: Sequence[Claim]) -> list[Placement]:
        rows = [{"sale": self._sale, "number": claim.number, "buyer": claim.buyer} for claim in orders]
        with connected(self._engine) as connection:
            connection.execute(sa.insert(UnguardedOrder).values(rows))
        return ["placed"] * len(orders)


def numbers_of(connection: sa.Connection, sale: str, buyer: str) -> list[str]:
    """The order numbers of a buyer's rows, by `nth`."""
    query = sa.select(Order.number).where(Order.sale == sale, Order.buyer == buyer).order_by(Order.nth)
    return list(connection.scalars(query))


def store(connection: sa.Connection, sale: str, claim: Claim) -> bool:
    """Insert a row; False if a UNIQUE constraint, or a missing sale, keeps it out. Raises IntegrityError if another constraint does."""
    row = {"sale": sale, "number": claim.number, "buyer": claim.buyer, "nth": claim.nth}
    return bool(connection.execute(INSERT, row).rowcount)


def insert(engine: sa.Engine, sale: str, claim: Claim) -> Placement:
    """Insert the row of `claim`: *placed*, *redelivered* if this order's row exists already, *rejected* if a constraint of
    the database refuses it.

    Raises:
        NotSent, Unavailable: see `Placing.place`.
    """
    with connected(engine) as connection:
        try:
            return _insert(connection, sale, claim)
        except (sa.exc.IntegrityError, sa.exc.DataError):
            return "rejected"


def insert_all(engine: sa.Engine, sale: str, orders: Sequence[Claim]) -> list[Placement]:
    """Insert the rows of `orders` with one statement; one by one if a constraint refuses a row and so fails the statement.

    Raises:
        NotSent, Unavailable: see `Placing.place`.
    """
    with connected(engine) as connection:
        try:
            return _insert_all(connection, sale, orders)
        except (sa.exc.IntegrityError, sa.exc.DataError):
            pass  # nothing was written
    return [insert(engine, sale, claim) for claim in orders]


def _insert(connection: sa.Connection, sale: str, claim: Claim) -> Placement:
    if store(connection, sale, claim):
        return "placed"
    return _found(connection, sale, [claim])[0]


def _insert_all(connection: sa.Connection, sale: str, orders: Sequence[Claim]) -> list[Placement]:
    columns = {
        "sale": sale, "numbers": [claim.number for claim in orders], "buyers": [claim.buyer for claim in orders],
        "nths": [claim.nth for claim in orders],
    }  # fmt: skip
    written = Counter((number, buyer) for number, buyer in connection.execute(INSERT_ALL, columns))
    # An order can be twice in `orders`, if it was redelivered while its first delivery still waited. It wrote one row.
    fresh = []
    for claim in orders:
        fresh.append(written[claim.number, claim.buyer] > 0)
        written[claim.number, claim.buyer] -= 1
    kept_out = [claim for claim, new in zip(orders, fresh, strict=True) if not new]
    found = iter(_found(connection, sale, kept_out) if kept_out else ())
    return ["placed" if new else next(found) for new in fresh]


def _found(connection: sa.Connection, sale: str, orders: Sequence[Claim]) -> list[Placement]:
    """*redelivered* or *rejected* for each of `orders`, which a UNIQUE constraint kept out. Raises Unavailable if the sale is missing."""
    query = sa.select(Order.number, Order.buyer).where(Order.number.in_([claim.number for claim in orders]))
    owners = {row.number: row.buyer for row in connection.execute(query)}
    if not owners and connection.scalar(sa.select(Sale.id).where(Sale.id == sale)) is None:
        raise Unavailable(f"sale {sale!r} is not in the database; run: python -m target prepare")
    return ["redelivered" if owners.get(claim.number) == claim.buyer else "rejected" for claim in orders]
