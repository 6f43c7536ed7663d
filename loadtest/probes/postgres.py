"""The probe of Postgres: the load on the database, from its own statistics."""

from contextlib import closing

from loadtest.ledger.connections import connect_postgres
from loadtest.ledger.databases import dialect_of, in_postgres
from loadtest.probes import Reading, Subject

# What pg_stat_database and pg_stat_activity show, from the functions beneath them: planning the views takes longer than reading them.
# The counters of a database are up to 1 s behind, because a busy backend reports them once a second. The next transaction id is
# exact, and counts the transactions that wrote something.
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
    """Transactions, active and waiting backends, WAL bytes. Where orders are in another database there is no reading.

    *Warning:* `active` and `lock_waits` are snapshots: waits shorter than the interval are mostly missed.
    """

    def __init__(self, subject: Subject) -> None:
        url = subject.database
        self._engine = connect_postgres(url) if url and dialect_of(url) is in_postgres.DIALECT else None

    def read(self) -> Reading:
        """commits, rollbacks, inserts, write_xids, wal_bytes (counters); active, lock_waits (backends)."""
        if self._engine is None:
            return {}
        # The driver's own cursor: building SQLAlchemy's result objects took a third of the sampler's time.
        with closing(self._engine.raw_connection()) as connection, closing(connection.cursor()) as cursor:
            cursor.execute(STATE)
            (state,) = cursor.fetchall()
            return {column[0]: float(value) for column, value in zip(cursor.description or (), state, strict=True)}

    def close(self) -> None:
        """Close its connections."""
        if self._engine:
            self._engine.dispose()
