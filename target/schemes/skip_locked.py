"""`skip_locked`: one row for each unit; a buyer takes the first row that nobody has locked (FOR UPDATE SKIP LOCKED)."""

import sqlalchemy as sa

from target.errors import SoldOut
from target.schemes.in_database import InDatabase
from target.stores.claims import Claim
from target.stores.models import Unit

# `=` and not IN: the inner query must run once. With IN it could run for each row compared, and lock a unit each time.
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
    """Deletes a unit's row and inserts the order's, in one transaction. No buyer waits for another's lock on a unit.

    *Warning:* a locked unit counts as gone. When all units left are locked, a buyer is told *sold out*, although one of those
    transactions may roll back (a second click, a lost connection) and put its unit up for sale again: a false sold-out.
    With a cap above one, two simultaneous clicks of a buyer get one unit.
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
