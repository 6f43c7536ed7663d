"""Reads sets of the ledger by SQL, from the database that orders are in."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from loadtest.errors import UsageError
from loadtest.ledger.database_clock import DatabaseClock, read_clock
from loadtest.ledger.databases import Dialect, dialect_of, said
from loadtest.ledger.rows import COLUMNS, Row, only, present, quantity, text
from loadtest.manifest.final import Source
from loadtest.manifest.placeholders import bindings


class NotThere(UsageError):
    """A table that SQL asks for is not there."""


@dataclass
class SqlStore:
    """The database at `url`. The connection opens on first use; it raises the errors of SQLAlchemy.

    `values` are what ``:sale`` and ``:stock`` stand for.
    """

    url: str
    values: dict[str, Any]
    _engine: sa.Engine | None = field(default=None, init=False)

    @property
    def dialect(self) -> Dialect:
        """What kind of database it is."""
        return dialect_of(self.url)

    @property
    def engine(self) -> sa.Engine:
        """The engine, of one connection."""
        if self._engine is None:
            self._engine = self.dialect.connect(self.url)
        return self._engine

    def count(self, source: Source) -> int:
        """How many rows the query gives."""
        with self._asked(f"SELECT count(*) FROM {_table(source)}") as found:
            return int(found.scalar_one())

    def units(self, source: Source) -> int:
        """How many units its rows take together."""
        if "quantity" not in self.columns(source):
            return self.count(source)
        with self._asked(f"SELECT sum(coalesce(quantity, 1)) FROM {_table(source)}") as found:
            return int(found.scalar_one() or 0)

    def number(self, source: Source, where: str) -> int:
        """The one number that the query gives."""
        with self._asked(f"SELECT * FROM {_table(source)}") as found:
            return only(found.fetchmany(2), where)

    def pairs(self, source: Source) -> Iterator[tuple[str | None, str | None]]:
        """Its first two columns: number, and buyer, if there is one."""
        with self._asked(f"SELECT * FROM {_table(source)}") as found:
            for row in map(tuple[Any, ...], found):
                yield text(row[0]), text(row[1]) if len(row) > 1 else None

    def rows(self, source: Source) -> Iterator[Row]:
        """Every stored order, with its time of creation by the database's clock.

        Raises:
            UsageError: a column is misnamed, or `created_at` is no moment.
        """
        described = self._described(source)
        there = present([column[0] for column in described])
        created = next((column for column in described if column[0].lower() == "created_at"), None)
        times = self.dialect.times(created) if created else None
        selected = {name: name if name in there else "NULL" for name in COLUMNS}
        if times:
            selected["created_at"] = times.sql
        with self._asked(f"SELECT {', '.join(selected.values())} FROM {_table(source)}") as found:
            for number, buyer, created_at, units, item in map(tuple[Any, ...], found):
                at = None if created_at is None or times is None else times.to_ns(created_at)
                yield Row(text(number), text(buyer), at, quantity(units), text(item))

    def columns(self, source: Source) -> frozenset[str]:
        """Which of the known columns the query gives. Raises UsageError where none of them is, or one is misnamed."""
        return present([column[0] for column in self._described(source)])

    def clock(self) -> DatabaseClock | None:
        """The clock that times in it are by, against ours; None where it cannot be asked."""
        if self.dialect.on_this_machine:
            return DatabaseClock(0, 0)
        return read_clock(self.engine, self.dialect.now) if self.dialect.now else None

    def check(self, name: str, source: Source) -> None:
        """Look whether the query of the set `name` can be run, and whether rows have columns that can be read.

        Raises:
            NotThere: a table is not there, which the shop may yet make.
            UsageError: it cannot, whatever the shop does.
        """
        where = f"[final] {name}"
        try:
            described = self._described(source)
            if name == "left":
                self.number(source, where)
        except sa.exc.DBAPIError as error:
            if self.dialect.absent(error.orig):
                raise NotThere(
                    f"{where}: {said(error)}; mend its sql, or have [prepare] make what it asks for"
                ) from None
            if not self.answers():
                raise
            raise UsageError(f"{where}: {said(error)}; mend its sql") from None
        if name == "rows":
            present([column[0] for column in described])
            for column in described:
                if column[0].lower() == "created_at":
                    self.dialect.times(column)

    def close(self) -> None:
        """Give the connection back."""
        if self._engine:
            self._engine.dispose()

    def answers(self) -> bool:
        """Whether the database answers at all. Drivers of SQLite and MySQL call an error in SQL operational, too."""
        try:
            with self.engine.connect() as connection:
                connection.execute(sa.text("SELECT 1"))
        except sa.exc.SQLAlchemyError:
            return False
        return True

    def _described(self, source: Source) -> list[Any]:
        """The columns of `source`, as the driver describes them."""
        with self._asked(f"SELECT * FROM {_table(source)} WHERE 1 = 0") as found:
            return list(found.cursor.description or ())

    @contextmanager
    def _asked(self, statement: str) -> Iterator[sa.CursorResult[Any]]:
        with self.engine.connect() as connection:
            bound = {name: self.values[name] for name in bindings(statement)}
            yield connection.execute(sa.text(statement), bound)


def _table(source: Source) -> str:
    """Its query as a table; it may end with a semicolon, or with a comment."""
    return f"({(source.sql or '').rstrip().removesuffix(';')}\n) source"
