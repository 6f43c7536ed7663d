"""PostgreSQL, by psycopg2."""

from loadtest.errors import UsageError
from loadtest.ledger.connections import connect_postgres
from loadtest.ledger.databases import Column, Dialect, Times
from loadtest.ledger.row_times import from_epoch, from_microseconds

UNDEFINED_TABLE = "42P01"

# Postgres's type identifiers; they are the same in every database.
TIMESTAMPTZ, TIMESTAMP = 1184, 1114
NUMERIC = {20: "bigint", 23: "integer", 700: "real", 701: "double precision", 1700: "numeric"}
OTHERS = {
    16: "boolean",
    21: "smallint",
    25: "text",
    1042: "char",
    1043: "varchar",
    1082: "date",
    1083: "time",
    1114: "timestamp",
    1186: "interval",
}

NOW = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
MICROSECONDS = "(extract(epoch FROM {}) * 1000000)::bigint"
# Postgres writes now() into a column without a zone in the zone of the writing session: the server's default, unless the shop set another.
# It is read here as that default, whatever zone this session has.
IN_SERVERS_ZONE = "created_at AT TIME ZONE (SELECT reset_val FROM pg_settings WHERE name = 'TimeZone')"

REMEDY = "select it as timestamptz, such as created_at AT TIME ZONE 'Asia/Shanghai' AS created_at, or as an epoch in s, ms or µs"


def times(column: Column) -> Times:
    """See `Dialect`."""
    kind = int(str(column[1]))
    if kind == TIMESTAMPTZ:
        return Times(MICROSECONDS.format("created_at"), from_microseconds)
    if kind == TIMESTAMP:
        return Times(MICROSECONDS.format(IN_SERVERS_ZONE), from_microseconds)
    if kind in NUMERIC:
        return Times("created_at", lambda value: from_epoch(value, REMEDY))
    raise UsageError(
        f"[final] rows: created_at: expected timestamptz, found {OTHERS.get(kind, f'type {kind}')}; {REMEDY}"
    )


DIALECT = Dialect(
    "Postgres", connect_postgres, NOW, times, lambda error: getattr(error, "pgcode", None) == UNDEFINED_TABLE
)
