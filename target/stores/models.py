"""The tables. Their constraints are the last guard: the database knows the stock, and refuses whatever a scheme wrongly lets through.

In a row of `orders` the `unit` is computed from the order number, a foreign key ties `stock` and `per_buyer` to those of its sale, and
a check keeps `unit` within the stock. So there are never more rows than units, whatever numbers arrive, and that without a
counter row that every order would have to lock and update.
"""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """Base of all tables of the shop."""


class Sale(Base):
    """One sale. `sold` counts units for the schemes that count in the database; the others leave it at 0."""

    __tablename__ = "sales"
    __table_args__ = (
        sa.UniqueConstraint("id", "stock", "per_buyer", name="sales_guards"),
        sa.CheckConstraint("stock > 0 AND per_buyer > 0", name="sales_positive"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    stock: Mapped[int]
    per_buyer: Mapped[int]
    sold: Mapped[int] = mapped_column(server_default="0")


class Order(Base):
    """One unit sold. `nth` counts a buyer's units from 1, so that UNIQUE can enforce a cap above one, too."""

    __tablename__ = "orders"
    __table_args__ = (
        sa.ForeignKeyConstraint(
            ["sale", "stock", "per_buyer"], ["sales.id", "sales.stock", "sales.per_buyer"], name="orders_know_the_sale"
        ),
        sa.UniqueConstraint("sale", "buyer", "nth", name="orders_cap_a_buyer"),
        sa.CheckConstraint("unit BETWEEN 1 AND stock", name="orders_within_stock"),
        sa.CheckConstraint("nth BETWEEN 1 AND per_buyer", name="orders_within_cap"),
        sa.CheckConstraint(
            "number = sale || '-' || lpad(unit::text, greatest(6, length(unit::text)), '0')",
            name="orders_number_is_unit",
        ),
    )

    # One row for each number, and so for each unit, as the number is determined by sale and unit.
    number: Mapped[str] = mapped_column(primary_key=True)
    # NULL, and so refused, if the number does not end in digits.
    unit: Mapped[int] = mapped_column(
        sa.Computed(r"substring(number from '-(\d{6,8})$')::integer", persisted=True), nullable=False
    )
    sale: Mapped[str]
    buyer: Mapped[str]
    nth: Mapped[int]
    stock: Mapped[int]
    per_buyer: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True), server_default=sa.func.clock_timestamp())


class UnguardedOrder(Base):
    """One unit sold, in a table without constraints against duplicates, oversell or a buyer's second unit. For controls and mutants."""

    __tablename__ = "unguarded_orders"
    __table_args__ = (sa.Index("unguarded_orders_sale", "sale"),)

    id: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(), primary_key=True)
    sale: Mapped[str]
    number: Mapped[str]
    buyer: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True), server_default=sa.func.clock_timestamp())


class Unit(Base):
    """A unit that is for sale, for the scheme `skip_locked`, which keeps one row for each. Selling deletes the row."""

    __tablename__ = "units"
    __table_args__ = (sa.Index("units_sale", "sale", "number"),)

    number: Mapped[str] = mapped_column(primary_key=True)
    sale: Mapped[str]
