"""``python -m target prepare``: make the sale ready that the ``SHOP_*`` variables describe."""

import argparse
import sys
from collections.abc import Sequence

import redis
import sqlalchemy as sa
from kombu.exceptions import OperationalError

from target.assembly import parts_of
from target.config import Config, load
from target.errors import NotATestSale, ShopError
from target.queue.backlog import purge
from target.queue.rabbitmq import make_room
from target.stores.database import connect

MARK = "test sale"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code: 0 the sale is ready, 2 it is not, with the reason in one line on stderr."""
    parser = argparse.ArgumentParser(prog="python -m target", description=__doc__)
    parser.add_argument("command", choices=["prepare"], help="reset this sale and put every unit up for sale")
    parser.parse_args(arguments)
    try:
        prepare(load())
    except (ShopError, sa.exc.SQLAlchemyError, redis.RedisError, OperationalError) as error:
        print(f"shop: {first_line(error)}", file=sys.stderr)
        return 2
    return 0


def prepare(config: Config) -> None:
    """Reset the sale of `config`, and no other, in a database that is marked as a test sale's.

    Raises:
        ConfigError, NotATestSale, NoRoom: see `target.errors`.
        SQLAlchemyError, RedisError, OperationalError: a service does not answer.
    """
    scheme = parts_of(config).scheme(config)
    refuse_unless_marked(config)
    make_room(config)
    purge(config)
    scheme.prepare()


def refuse_unless_marked(config: Config) -> None:
    """Raises NotATestSale unless the database's comment (COMMENT ON DATABASE) contains `MARK`."""
    query = sa.text("SELECT current_database(), coalesce(shobj_description(oid, 'pg_database'), '') "
                    "FROM pg_database WHERE datname = current_database()")  # fmt: skip
    with connect(config, 1).connect() as connection:
        database, comment = connection.execute(query).one()
    if MARK not in comment:
        quoted = '"' + database.replace('"', '""') + '"'
        raise NotATestSale(
            f"database {database!r} is not marked as a test sale, and preparing wipes the sale in it; "
            f"if it may be wiped, say so there: COMMENT ON DATABASE {quoted} IS '{MARK}'"
        )


def first_line(error: Exception) -> str:
    """The first line of `error`, or of the driver's error that it wraps, without SQL and parameters."""
    cause = getattr(error, "orig", None) or error
    return (str(cause).strip().splitlines() or [type(cause).__name__])[0]


if __name__ == "__main__":
    sys.exit(main())
