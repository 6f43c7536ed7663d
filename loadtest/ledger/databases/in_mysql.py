"""MySQL and MariaDB, by PyMySQL."""

from typing import Any

import sqlalchemy as sa
from pymysql.constants import FIELD_TYPE

from loadtest.errors import UsageError
from loadtest.ledger.connections import ANSWER_S, STATEMENT_S, TIMEOUT_S
from loadtest.ledger.databases import Column, Dialect, Times
from loadtest.ledger.row_times import from_epoch

NO_SUCH_TABLE = 1146

NUMERIC = (
    FIELD_TYPE.LONG,
    FIELD_TYPE.LONGLONG,
    FIELD_TYPE.INT24,
    FIELD_TYPE.FLOAT,
    FIELD_TYPE.DOUBLE,
    FIELD_TYPE.DECIMAL,
    FIELD_TYPE.NEWDECIMAL,
)
OTHERS = {
    FIELD_TYPE.TINY: "tinyint",
    FIELD_TYPE.SHORT: "smallint",
    FIELD_TYPE.DATE: "date",
    FIELD_TYPE.NEWDATE: "date",
    FIELD_TYPE.TIME: "time",
    FIELD_TYPE.YEAR: "year",
    FIELD_TYPE.VARCHAR: "varchar",
    FIELD_TYPE.VAR_STRING: "varchar",
    FIELD_TYPE.STRING: "char",
    FIELD_TYPE.BLOB: "text",
    FIELD_TYPE.JSON: "json",
}

NOW = "SELECT CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED)"
# A DATETIME has no zone: MySQL writes NOW() into it in the zone of the writing session, which is the server's unless the shop set another.
# It is read in the server's, which this session is told to have. A TIMESTAMP knows its moment.
IN_SERVERS_ZONE = "SET time_zone = @@global.time_zone"
EPOCH = "UNIX_TIMESTAMP(created_at)"

REMEDY = "select it as DATETIME or TIMESTAMP, such as CONVERT_TZ(created_at, '+00:00', @@time_zone) AS created_at, or as an epoch in s, ms or µs"


def connect(url: str, answer_s: float = ANSWER_S) -> sa.Engine:
    """See `Dialect`. A statement has `STATEMENT_S` on the server; here each part of its answer has `answer_s`, in whole seconds."""
    address = sa.make_url(url).set(drivername="mysql+pymysql")
    engine = sa.create_engine(
        address,
        isolation_level="AUTOCOMMIT",
        pool_size=1,
        max_overflow=0,
        connect_args={
            "connect_timeout": int(TIMEOUT_S),
            "read_timeout": answer_s,
            "write_timeout": answer_s,
            "program_name": "loadtest",
        },
    )
    sa.event.listen(engine, "connect", _set_up)
    return engine


def _set_up(connection: Any, _: object) -> None:
    limit = (
        f"max_statement_time = {STATEMENT_S:g}"
        if "MariaDB" in connection.get_server_info()
        else f"max_execution_time = {STATEMENT_S * 1000:.0f}"
    )
    with connection.cursor() as cursor:
        cursor.execute(IN_SERVERS_ZONE)
        cursor.execute(f"SET SESSION {limit}")


def times(column: Column) -> Times:
    """See `Dialect`."""
    kind = int(column[1])
    if kind in (FIELD_TYPE.TIMESTAMP, FIELD_TYPE.DATETIME):
        return Times(EPOCH, _epoch)
    if kind in NUMERIC:
        return Times("created_at", _epoch)
    raise UsageError(
        f"[final] rows: created_at: expected datetime or timestamp, found {OTHERS.get(kind, f'type {kind}')}; {REMEDY}"
    )


def _epoch(value: object) -> int:
    return from_epoch(value, REMEDY)


def absent(error: BaseException | None) -> bool:
    """See `Dialect`."""
    return bool(error and error.args and error.args[0] == NO_SUCH_TABLE)


DIALECT = Dialect("MySQL", connect, NOW, times, absent)
