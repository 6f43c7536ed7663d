"""When rows were created: values of `created_at` as nanoseconds since the epoch, by the clock of whoever wrote them."""

import contextlib
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation

from loadtest.errors import UsageError

# An epoch of our days tells its unit by its size: seconds up to the year 5138, milliseconds from 1973 on, and so forth.
UNITS = ((10**17, 1), (10**14, 1_000), (10**11, 1_000_000), (10**8, 1_000_000_000))

REMEDY = "give it as text such as 2026-01-01T00:00:00.000Z, or as an epoch in s, ms or µs"


def from_epoch(value: object, remedy: str = REMEDY) -> int:
    """Nanoseconds of an epoch in s, ms, µs or ns.

    Raises:
        UsageError: it is none of our days.
    """
    epoch = Decimal(str(value))
    for least, factor in UNITS:
        if epoch >= least:
            return int(epoch * factor)
    raise UsageError(f"[final] rows: created_at: expected an epoch, found {value}; {remedy}")


def from_microseconds(value: object) -> int:
    """Nanoseconds of a whole number of microseconds."""
    return int(str(value)) * 1000


def from_anything(value: object) -> int:
    """Nanoseconds of a moment as it may stand in JSON, CSV or SQLite: an epoch, or text of ISO 8601. A time without a zone is taken as UTC.

    Raises:
        UsageError: it is no moment.
    """
    if isinstance(value, datetime):
        return _of(value)
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return from_epoch(value)
    if isinstance(value, str):
        return _from_text(value.strip())
    found = value if isinstance(value, date) else type(value).__name__
    raise UsageError(f"[final] rows: created_at: expected a moment, found {found}; {REMEDY}")


def _from_text(text: str) -> int:
    with contextlib.suppress(InvalidOperation):
        return from_epoch(Decimal(text))
    if len(text) > len("2026-01-01"):  # a day alone is no moment
        with contextlib.suppress(ValueError):
            return _of(datetime.fromisoformat(text))
    raise UsageError(f"[final] rows: created_at: expected a moment, found {text!r}; {REMEDY}")


def _of(moment: datetime) -> int:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    whole = aware.replace(microsecond=0)
    return round(whole.timestamp()) * 1_000_000_000 + aware.microsecond * 1000
