"""The probe of MySQL and MariaDB: the load on the database, from the server's own status."""

import re
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

from loadtest.ledger.databases.in_mysql import connect
from loadtest.probes import Reading, Subject

# What the status is called by the server → here.
FIGURES = {
    "Innodb_row_lock_current_waits": "lock_waits",
    "Innodb_row_lock_waits": "lock_waits_ever",
    "Innodb_rows_inserted": "inserts",
    "Innodb_os_log_written": "log_bytes",
    "Threads_running": "active",
    "Innodb_max_trx_id": "trx_ids",  # MariaDB's; MySQL tells it in a longer text
}
STATUS = f"SHOW GLOBAL STATUS WHERE Variable_name IN ({', '.join(map(repr, FIGURES))})"
ENGINE = "SHOW ENGINE INNODB STATUS"
COUNTER = re.compile(r"^Trx id counter (\d+)", re.MULTILINE)
# InnoDB numbers a transaction when it first writes, and again when it commits (measured on MariaDB 10.11; so does MySQL 8, by its source).
IDS_A_COMMIT = 2


class MySqlProbe:
    """Transactions, running threads and row lock waits of the server. Where orders are in another database there is no reading.

    *Warning:* the figures are the whole server's, not one database's. `active` and `lock_waits` are snapshots: waits shorter than the
    interval are mostly missed. A transaction that only locks rows, and writes none, counts half in `write_xids`.
    """

    def __init__(self, subject: Subject) -> None:
        url = subject.database or subject.services.mysql
        self._engine = connect(url) if _is_mysql(url) else None

    def read(self) -> Reading:
        """write_xids, inserts, log_bytes, lock_waits_ever (counters); active (threads), lock_waits (transactions)."""
        if self._engine is None:
            return {}
        with closing(self._engine.raw_connection()) as connection, closing(connection.cursor()) as cursor:
            cursor.execute(STATUS)
            reading = {FIGURES[name]: float(value) for name, value in cursor.fetchall()}
            ids = reading.pop("trx_ids", None) or self._ids(cursor)
        reading["active"] -= 1  # it does not see itself
        return reading | ({} if ids is None else {"write_xids": ids // IDS_A_COMMIT})

    def close(self) -> None:
        """Close its connection."""
        if self._engine:
            self._engine.dispose()

    def _ids(self, cursor: Any) -> float | None:
        """The next id of a transaction; None where this user may not ask."""
        try:
            cursor.execute(ENGINE)
            found = COUNTER.search(str(cursor.fetchone()[2]))
        except Exception:  # access denied: needs PROCESS
            return None
        return float(found[1]) if found else None


def _is_mysql(url: str) -> bool:
    return urlsplit(url).scheme.partition("+")[0] in ("mysql", "mariadb")
