"""Every database that has no file here: plainly through SQLAlchemy, with whatever driver of it is installed.

*Warning:* drivers differ in what time-outs they have, so that an answer of such a database has no deadline of ours; and no probe reads it.
"""

import sqlalchemy as sa

from loadtest.errors import UsageError
from loadtest.ledger.databases import Column, Dialect, Times
from loadtest.ledger.row_times import from_anything

NO_SUCH_TABLE = ("no such table", "does not exist", "doesn't exist", "unknown table", "invalid object name")


def check(url: str, hint: str) -> None:
    """Look whether SQLAlchemy and a driver are there for `url`. `hint` ends the message of one that nobody knows.

    Raises:
        UsageError: one is not.
    """
    try:
        address = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        raise UsageError(
            "[truth] url: expected the URL of a database, such as mysql://user:password@host/shop"
        ) from None
    try:
        address.get_dialect().import_dbapi()
    except sa.exc.NoSuchModuleError:
        raise UsageError(
            f"[truth] url: SQLAlchemy knows no database {address.drivername!r}; {hint}; or read it by a command: rows = {{ command = […] }}"
        ) from None
    except ImportError as error:
        raise UsageError(
            f"[truth] url: {address.drivername} needs the Python package {error.name}, which is not installed; "
            "install it beside loadtest, or read the database by a command: rows = { command = […] }"
        ) from None


def connect(url: str) -> sa.Engine:
    """See `Dialect`."""
    return sa.create_engine(url, pool_size=1, max_overflow=0)


def times(_: Column) -> Times:
    """See `Dialect`."""
    return Times("created_at", from_anything)


def absent(error: BaseException | None) -> bool:
    """See `Dialect`."""
    return any(words in str(error).lower() for words in NO_SUCH_TABLE)


def unfelt(_: sa.Engine) -> bool:
    """See `Dialect`. Some lock what they read."""
    return False


DIALECT = Dialect("the database", connect, None, times, absent, unfelt=unfelt)
