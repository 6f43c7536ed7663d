"""One stored order, as the final reads take it, and the names of the columns that it is made of."""

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from loadtest.errors import UsageError

COLUMNS = ("number", "buyer", "created_at", "quantity", "item")


@dataclass(frozen=True)
class Row:
    """One stored order. None stands for what it does not say; `created_ns` is in ns since the epoch, `quantity` in units."""

    number: str | None
    buyer: str | None = None
    created_ns: int | None = None
    quantity: int | None = None
    item: str | None = None

    @property
    def units(self) -> int:
        """How many units it takes: one, unless it says another number."""
        return 1 if self.quantity is None else self.quantity


def present(found: Sequence[str]) -> frozenset[str]:
    """Which of `COLUMNS` are among the columns `found`. Others are passed over.

    Raises:
        UsageError: none is; or one is almost, and would be passed over for its spelling.
    """
    known = {name.lower() for name in found} & set(COLUMNS)
    for name in found:
        meant = next((column for column in COLUMNS if _plain(column) == _plain(name)), None)
        if meant and meant not in known:
            raise UsageError(f"[final] rows: found the column {name!r}; select it AS {meant}, or give it that name")
    if not known:
        raise UsageError(
            f"[final] rows: expected columns {', '.join(COLUMNS)}, as far as there are such, found {', '.join(found) or 'none'}; "
            "select what you call number AS number, and so forth"
        )
    return frozenset(known)


def text(value: object) -> str | None:
    """A value as the ledger compares it: numbers without a fraction that says nothing, bytes as the text that they are, else in hexadecimal."""
    if isinstance(value, memoryview | bytearray):
        value = bytes(value)
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value.hex()
    if isinstance(value, float | Decimal) and value == value // 1:
        value = int(value)
    return None if value is None else str(value)


def whole(value: Any, where: str) -> int:
    """A whole number. Raises UsageError for anything else."""
    with contextlib.suppress(ArithmeticError, ValueError):  # Decimal's for what is no number, or NaN
        if not isinstance(value, bool) and (number := Decimal(str(value))) == int(number):
            return int(number)
    raise UsageError(f"{where}: expected a whole number, found {text(value)!r}")


def quantity(value: object) -> int | None:
    """How many units an order takes; None where it does not say. Raises UsageError for what is no number."""
    return None if value is None else whole(value, "[final] rows: quantity")


def only(values: Iterable[Sequence[object]], where: str) -> int:
    """The one number that a count gives. Raises UsageError where it gives anything else."""
    found = [tuple(row) for row in values]
    if len(found) != 1 or len(found[0]) != 1:
        shape = f"{len(found)} rows of {len(found[0])}" if found else "nothing"
        raise UsageError(
            f"{where}: expected one number, found {shape}; select count(*), or sum(…), or one column of one row"
        )
    return whole(found[0][0], where)


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "").replace(" ", "")
