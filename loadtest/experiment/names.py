"""Hints for misspelt names, and the placeholders of a manifest."""

import difflib
import re
from collections.abc import Iterable, Mapping

from loadtest.errors import UsageError

PLACEHOLDER = re.compile(r"\{([a-z_][a-z0-9_.]*)\}")


def nearest(found: str, valid: Iterable[str]) -> str:
    """The hint for a wrong name: ``nearest valid: 'stock'``, or all valid names when none is near."""
    choice = sorted(valid)
    # A key typed without its table ("rate_per_s") is still near "limiter.rate_per_s".
    near = [name for name in choice if name.rsplit(".", 1)[-1] == found.rsplit(".", 1)[-1]]
    near = near or difflib.get_close_matches(found, choice, n=1, cutoff=0.5)
    if near:
        return f"nearest valid: {' or '.join(map(repr, near))}"
    return f"valid: {', '.join(choice)}"


def fill(template: str, values: Mapping[str, object], where: str) -> str:
    """`template` with each ``{name}`` replaced from `values`. `where`: the manifest's key that holds it, for the error.

    Other braces are left alone, so that JSON and SQL can be written as they are.

    Raises:
        UsageError: a name that `values` does not have.
    """

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in values:
            raise UsageError(f"{where}: no placeholder {{{name}}}; {nearest(name, values)}")
        return str(values[name])

    return PLACEHOLDER.sub(value, template)
