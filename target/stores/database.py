"""Connections to the database, and resetting its tables for a sale."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from target.config import Config
from target.errors import NotSent, Unavailable
from target.stores.models import Base, Order, Sale, UnguardedOrder, Unit


def connect(config: Config, connections: int) -> sa.Engine:
    """An engine of at most `connections`, in autocommit mode: each statement is a transaction of its own, in one round trip.

    Waiting for a free connection, connecting, and a statement each have a time-out.
    """
    engine = sa.create_engine(
        config.sqlalchemy_url,
        isolation_level="AUTOCOMMIT",
        pool_size=connections,
        max_overflow=0,
        pool_timeout=config.timeout_s * 5,
        pool_reset_on_return=None,
        connect_args=_connect_args(config),
    )

    # Not as an option of connecting, which a pooler such as PgBouncer refuses.
    @sa.event.listens_for(engine, "connect")
    def limit(connection: Any, _record: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"SET statement_timeout = {round(config.timeout_s * 5000)}")

    return engine


def _connect_args(config: Config) -> dict[str, Any]:
    return {
        "connect_timeout": max(2, round(config.timeout_s)),
        "application_name": "shop",
        # So that a server that vanished without closing its connections is noticed within half a minute.
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 20_000,
    }


@contextmanager
def connected(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A connection for the block.

    Raises:
        NotSent: there was no connection; no statement was sent.
        Unavailable: a statement failed or was not answered; it may have been executed.
    """
    try:
        connection = engine.connect()
    except sa.exc.SQLAlchemyError as error:
        raise NotSent(f"no connection to the database: {error}") from error
    with connection:
        try:
            yield connection
        except sa.exc.SQLAlchemyError as error:
            raise Unavailable(f"the database did not answer: {error}") from error


@contextmanager
def transaction(engine: sa.Engine) -> Iterator[sa.Connection]:
    """As `connected`, in one READ COMMITTED transaction: committed at the end of the block, rolled back if the block raises."""
    with connected(engine) as connection, connection.execution_options(isolation_level="READ COMMITTED").begin():
        yield connection


def reset(connection: sa.Connection, config: Config) -> None:
    """Create the missing tables, delete all rows of this sale, and insert its stock and cap."""
    Base.metadata.create_all(connection)
    for table in (Order, UnguardedOrder, Unit):
        connection.execute(sa.delete(table).where(table.sale == config.sale))
    connection.execute(sa.delete(Sale).where(Sale.id == config.sale))
    connection.execute(sa.insert(Sale).values(id=config.sale, stock=config.stock, per_buyer=config.per_buyer))
