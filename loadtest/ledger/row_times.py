"""When rows were created: what the database wrote as `created_at`, as nanoseconds since the epoch by the database's own clock."""

from collections.abc import Callable
from decimal import Decimal

from loadtest.errors import UsageError

COLUMNS = ("number", "buyer", "created_at")

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

MICROSECONDS = "(extract(epoch FROM {}) * 1000000)::bigint"
# Postgres writes now() into a column without a zone in the zone of the writing session: the server's default, unless the shop set another.
# It is read here as that default, whatever zone this session has.
IN_SERVERS_ZONE = "created_at AT TIME ZONE (SELECT reset_val FROM pg_settings WHERE name = 'TimeZone')"

# An epoch of our days tells its unit by its size: seconds up to the year 5138, milliseconds from 1973 on, and so forth.
UNITS = ((10**17, 1), (10**14, 1_000), (10**11, 1_000_000), (10**8, 1_000_000_000))

REMEDY = "select it as timestamptz, such as created_at AT TIME ZONE 'Asia/Shanghai' AS created_at, or as an epoch in s, ms or µs"


def selected(kind: int) -> tuple[str, Callable[[object], int]]:
    """The SQL that reads `created_at` of Postgres's type `kind`, and what makes nanoseconds of its values.

    Raises:
        UsageError: it is of a type that is no moment.
    """
    if kind == TIMESTAMPTZ:
        return MICROSECONDS.format("created_at"), _from_microseconds
    if kind == TIMESTAMP:
        return MICROSECONDS.format(IN_SERVERS_ZONE), _from_microseconds
    if kind in NUMERIC:
        return "created_at", from_epoch
    raise UsageError(
        f"[final] rows: created_at: expected timestamptz, found {OTHERS.get(kind, f'type {kind}')}; {REMEDY}"
    )


def from_epoch(value: object) -> int:
    """Nanoseconds of an epoch in s, ms, µs or ns.

    Raises:
        UsageError: it is none of our days.
    """
    epoch = Decimal(str(value))
    for least, factor in UNITS:
        if epoch >= least:
            return int(epoch * factor)
    raise UsageError(f"[final] rows: created_at: expected an epoch, found {value}; {REMEDY}")


def _from_microseconds(value: object) -> int:
    return int(str(value)) * 1000
