"""What a manifest may name in its texts: ``{sale}`` and the like in requests and keys, ``:sale`` in SQL. A wrong name is told before anything starts."""

import re
from collections.abc import Iterable, Iterator, Mapping
from string import Formatter
from typing import Any

from loadtest.errors import UsageError
from loadtest.experiment.names import PLACEHOLDER, near_placeholder, nearest

# What SQLAlchemy takes for a bound parameter: a colon that no word, colon or backslash precedes. So ``::text`` and ``12:30`` are none.
BINDING = re.compile(r"(?<![:\w\\]):(\w+)(?!:)")
BRACES = re.compile(r"\{([\w. -]*)\}")
# What is a placeholder in other tools: ${token}, {{token}}, %(token)s.
FOREIGN = re.compile(r"\$\{\s*(\w[\w.]*)\s*\}|\{\{\s*(\w[\w.]*)\s*\}\}|%\((\w+)\)s")
WORD = re.compile(r"\{([A-Za-z_][\w.-]*)\}")

BINDINGS = ("sale", "stock")


def bindings(sql: str) -> set[str]:
    """The names that `sql` wants bound: ``SELECT … WHERE sale = :sale`` wants ``sale``."""
    return set(BINDING.findall(sql))


def check_strictly(text: str, valid: Iterable[str], where: str) -> None:
    """Refuse braces around anything but a `valid` name, in a text in which braces have no other meaning.

    Raises:
        UsageError: it has such.
    """
    _refuse_foreign(text, where)
    _refuse((name for name in BRACES.findall(text) if name not in valid), valid, where)


def check_loosely(text: str, valid: Iterable[str], where: str) -> None:
    """Refuse what would be filled and cannot, and what is nearly a `valid` name; other braces, such as GraphQL's, are the shop's own.

    Raises:
        UsageError: it has such.
    """
    _refuse_foreign(text, where, valid)
    near = {name.replace("_", "").lower() for name in valid}
    filled = set(PLACEHOLDER.findall(text))
    _refuse(
        (
            name
            for name in WORD.findall(text)
            if name not in valid and (name in filled or re.sub(r"[_-]", "", name).lower() in near)
        ),
        valid,
        where,
    )


def check_sql(sql: str, where: str) -> None:
    """Refuse a bound parameter that nobody binds, and a placeholder, which SQL has none of.

    Raises:
        UsageError: it has such.
    """
    for name in sorted(bindings(sql)):
        if name not in BINDINGS:
            hint = nearest(f":{name}", [f":{valid}" for valid in BINDINGS])
            raise UsageError(
                f"{where}: no bound parameter :{name}; {hint}; a colon that is meant as it stands is written \\:"
            )
    for name in PLACEHOLDER.findall(sql):
        if name in BINDINGS:
            raise UsageError(f"{where}: {{{name}}} stays as it is in SQL; write :{name}, which is bound")


def check_pattern(pattern: str, where: str) -> None:
    """Refuse a pattern that does not make another number of each n.

    Raises:
        UsageError: it does not.
    """
    try:
        one, other = (pattern.replace("{sale}", "sale").format(n=n) for n in (1, 2))
    except (KeyError, IndexError, ValueError, AttributeError, TypeError):
        raise UsageError(
            f"{where} = {pattern!r}: expected {{sale}} and {{n}} alone in braces, such as '{{sale}}-{{n:06d}}'"
        ) from None
    if one == other:
        raise UsageError(
            f"{where} = {pattern!r}: every number would be {one!r}; put {{n}} in it, such as '{{sale}}-{{n:06d}}'"
        )


def check_buyer_pattern(pattern: str, columns: Iterable[str], where: str) -> None:
    """Refuse a pattern of buyers' names that has anything in braces but ``{n}``, with a format as ``{n:06d}``, and `columns`.

    Raises:
        UsageError: it has, or it names none of these, so that all buyers would be one.
    """
    columns = tuple(columns)
    try:
        named = [name for _, name, _, _ in Formatter().parse(pattern) if name is not None]
        _refuse((name for name in named if name not in ("n", *columns)), ("n", *columns), where)
        pattern.format(n=1, **dict.fromkeys(columns, ""))
    except ValueError as error:
        raise UsageError(f"{where} = {pattern!r}: expected a pattern such as 'b-{{n:06d}}': {error}") from None
    if not named:
        raise UsageError(
            f"{where} = {pattern!r}: every buyer would be the same; put {{n}} or a column of the file in it"
        )


def texts(value: Any) -> Iterator[str]:
    """Every text in the values of a JSON `value`."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from texts(inner)


def _refuse_foreign(text: str, where: str, only: Iterable[str] | None = None) -> None:
    """Refuse what another tool would fill in; with `only`, where it has one of these names. Half of it would be filled in, and the rest be sent."""
    for found in FOREIGN.finditer(text):
        name = next(filter(None, found.groups()))
        if only is None or name in only:
            raise UsageError(f"{where}: {found[0]} is how other tools write it; write {{{name}}}")


def _refuse(wrong: Iterable[str], valid: Iterable[str], where: str) -> None:
    for name in wrong:
        raise UsageError(f"{where}: no placeholder {{{name}}}; {near_placeholder(name.strip().lower(), valid)}")
