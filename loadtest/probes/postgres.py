"""What the database feels."""

import sqlalchemy as sa

from loadtest.probes import Reading, Subject
from loadtest.sources import Reader, connect_postgres

# pg_stat_database is up to 1 s behind: a busy backend hands its counters in once a second. The next transaction id is exact,
# and counts the transactions that wrote something.
STATE = sa.text("""
SELECT d.xact_commit AS commits, d.xact_rollback AS rollbacks, d.tup_inserted AS inserts,
       pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS write_xids,
       pg_current_wal_insert_lsn() - '0/0'::pg_lsn AS wal_bytes,
       count(a.pid) FILTER (WHERE a.state = 'active') AS active,
       count(a.pid) FILTER (WHERE a.wait_event_type = 'Lock') AS lock_waits
FROM pg_stat_database d LEFT JOIN pg_stat_activity a ON a.datid = d.datid AND a.pid <> pg_backend_pid()
WHERE d.datname = current_database()
GROUP BY d.datid, d.xact_commit, d.xact_rollback, d.tup_inserted
""")


class PostgresProbe:
    """Transactions, backends and WAL from the statistics views, and the rows of the sale.

    *Warning:* `active` and `lock_waits` are what one look catches: waits shorter than the interval are mostly missed.
    """

    def __init__(self, subject: Subject) -> None:
        self._engine = connect_postgres(subject.services.postgres)
        self._reader = Reader(subject.services, subject.sale, subject.stock)
        self._rows = subject.final.rows

    def read(self) -> Reading:
        """commits, rollbacks, inserts, write_xids, wal_bytes (counters); active, lock_waits, rows."""
        with self._engine.connect() as connection:
            state = connection.execute(STATE).mappings().one()
        reading = {metric: float(value) for metric, value in state.items()}
        return reading | {"rows": float(self._reader.count(self._rows))}

    def close(self) -> None:
        """Give connections back."""
        self._engine.dispose()
        self._reader.close()
