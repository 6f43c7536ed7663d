"""Who the buyers are, where the shop must know them beforehand: a file of users, or numbers in a pattern."""

import csv
import re
from pathlib import Path

from pydantic import Field

from loadtest.errors import UsageError
from loadtest.experiment.section import Section

SEPARATORS = ",;\t"


class Buyers(Section):
    """Who the buyers are, where the shop must know them beforehand."""

    file: str | None = Field(
        None,
        description="CSV with a header, beside the manifest; each row is one buyer, its columns are {buyer.COLUMN}",
    )
    id: str | None = Field(
        None,
        min_length=1,
        description="what the rows call a buyer: {n} counts from 1, other names are columns; by default b-{n:06d}, with a file its first column",
    )
    integers: tuple[str, ...] = Field(
        (), strict=False, description="columns that are whole numbers where a JSON value is nothing else"
    )


def read_columns(path: Path) -> tuple[str, ...]:
    """The columns of a file of users, as placeholders name them: in lower case, with ``_`` for whatever is no letter of a to z or digit.

    Raises:
        UsageError: it cannot be read, or has no header, or names a column twice.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = file.readline()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UsageError(f"buyers.file: {path}: cannot be read: {reason}") from None
    return columns_of(header, f"buyers.file: {path}")


def columns_of(header: str, where: str) -> tuple[str, ...]:
    """The same of its first line; `where` is named in errors."""
    found = tuple(_placeholder(name) for name in next(csv.reader([header], delimiter=separator(header)), []))
    if not found or "" in found:
        raise UsageError(f"{where}: expected a header that names every column, found {header.strip()!r}")
    if twice := next((name for name in found if found.count(name) > 1), None):
        raise UsageError(f"{where}: two columns are called {twice!r}; rename one")
    return found


def separator(header: str) -> str:
    """What separates the columns of a file with that header: a comma, a semicolon or a tab, whichever it has most of."""
    return max(SEPARATORS, key=header.count)


def _placeholder(column: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", column.strip().lower()).strip("_")
