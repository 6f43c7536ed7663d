"""`skip_locked`: one row a unit; a buyer takes the first that nobody else is taking. FOR UPDATE SKIP LOCKED."""

import sqlalchemy as sa

from target.errors import SoldOut
from target.schemes.in_database import InDatabase
from target.stores.claims import Claim
from target.stores.models import Unit

# `=` and not IN: the inner query must run once, else it would lock a unit for each row that it is compared with.
TAKE = sa.text("""
DELETE FROM units WHERE number = (
    SELECT number FROM units WHERE sale = :sale ORDER BY number LIMIT 1 FOR UPDATE SKIP LOCKED
) RETURNING number
""")
STOCK_UP = sa.text("""
INSERT INTO units (number, sale)
SELECT :sale || '-' || lpad(n::text, greatest(6, length(n::text)), '0'), :sale FROM generate_series(1, :stock) AS n
""")


class SkipLocked(InDatabase):
    """Takes a unit's row away and writes the order's, in one transaction. Nobody waits for anybody.

    *Warning:* a unit that somebody is taking counts as gone. When all that are left are being taken at that moment, a buyer is
    told *sold out*, and if one of the takers then rolls back (a second click, a lost connection) the unit is for sale again:
    a false sold-out. With a cap above one, two clicks at the same moment count as one.
    """

    def _take(self, connection: sa.Connection, buyer: str) -> Claim:
        nth = self._nth(connection, buyer)
        number = connection.scalar(TAKE, {"sale": self._config.sale})
        if number is None:
            raise SoldOut("sold out")
        return Claim(number, buyer, nth)

    def _stock_up(self, connection: sa.Connection) -> None:
        connection.execute(STOCK_UP, {"sale": self._config.sale, "stock": self._config.stock})

    def _count(self, connection: sa.Connection) -> int:
        return connection.scalar(sa.select(sa.func.count()).where(Unit.sale == self._config.sale)) or 0
