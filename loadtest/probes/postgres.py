"""What the database feels."""

from contextlib import closing

from loadtest.ledger.sources import Reader, connect_postgres
from loadtest.probes import Reading, Subject, seldom

# What pg_stat_database and pg_stat_activity show, from the functions beneath them: to plan the views takes longer than to read them.
# The counters of a database are up to 1 s behind: a busy backend hands them in once a second. The next transaction id is exact,
# and counts the transactions that wrote something.
STATE = """
SELECT pg_stat_get_db_xact_commit(d.oid) AS commits, pg_stat_get_db_xact_rollback(d.oid) AS rollbacks,
       pg_stat_get_db_tuples_inserted(d.oid) AS inserts,
       pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS write_xids,
       pg_current_wal_insert_lsn() - '0/0'::pg_lsn AS wal_bytes,
       count(*) FILTER (WHERE a.state = 'active') AS active,
       count(*) FILTER (WHERE a.wait_event_type = 'Lock') AS lock_waits
FROM pg_database d LEFT JOIN pg_stat_get_activity(NULL) a ON a.datid = d.oid AND a.pid <> pg_backend_pid()
WHERE d.datname = current_database()
GROUP BY d.oid
"""


class PostgresProbe:
    """Transactions, backends and WAL from the statistics, and the rows of the sale.

    *Warning:* `active` and `lock_waits` are what one look catches: waits shorter than the interval are mostly missed.
    """

    def __init__(self, subject: Subject) -> None:
        self._engine = connect_postgres(subject.services.postgres)
        self._reader = Reader(subject.services, subject.sale, subject.stock)
        self._rows = subject.final.rows
        self._rows_due = seldom()

    def read(self) -> Reading:
        """commits, rollbacks, inserts, write_xids, wal_bytes (counters); active, lock_waits; at one tick in `SELDOM` rows."""
        # The driver's own cursor: what SQLAlchemy makes of an answer was a third of this process's time here.
        with closing(self._engine.raw_connection()) as connection, closing(connection.cursor()) as cursor:
            cursor.execute(STATE)
            (state,) = cursor.fetchall()
            reading = {column[0]: float(value) for column, value in zip(cursor.description or (), state, strict=True)}
        if next(self._rows_due):  # they are counted one by one
            reading["rows"] = float(self._reader.count(self._rows))
        return reading

    def close(self) -> None:
        """Give connections back."""
        self._engine.dispose()
        self._reader.close()
