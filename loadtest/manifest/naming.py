"""Placeholders of a whole manifest: which there are where buyers and final reads fill them, and that nothing else is named."""

from collections.abc import Iterable
from pathlib import Path

from loadtest.errors import UsageError
from loadtest.experiment.names import nearest
from loadtest.manifest.accounts import read_columns
from loadtest.manifest.final import READABLE, check_source
from loadtest.manifest.http import Request
from loadtest.manifest.placeholders import check_buyer_pattern, check_loosely, check_strictly, texts
from loadtest.manifest.shop import Shop

OF_A_BUYER = ("sale", "buyer", "buyer.n")


def check_names(shop: Shop, path: Path) -> None:
    """Look at every placeholder that buyers or final reads would fill.

    Raises:
        UsageError: one does not exist, or the file of users cannot be read.
    """
    file = path.name
    _check_requests(shop, path)
    sets = {"final": {name: getattr(shop.final, name) for name in READABLE}}
    sets |= {f"schemes.{name}.final": dict(scheme.final) for name, scheme in shop.schemes.items()}
    for where, sources in sets.items():
        for name, source in sources.items():
            if source:
                check_source(source, f"{file}: {where}.{name}")


def _check_requests(shop: Shop, path: Path) -> None:
    """Each request may name the buyer, and what the requests before it have captured."""
    http = shop.http
    known = [*OF_A_BUYER, *(f"buyer.{column}" for column in _columns(shop, path))]
    if http.warm:
        _check_request(http.warm, known, f"{path.name}: http.warm")
    for at in ("before", "click"):
        for n, step in enumerate(http.before, 1):
            if step.at == at:
                _check_request(step, known, f"{path.name}: http.before {n}")
                known += step.capture
    _check_request(http.buy, known, f"{path.name}: http.buy")
    if http.status:
        _check_request(http.status, [*known, *http.buy.capture, "number"], f"{path.name}: http.status")


def _columns(shop: Shop, path: Path) -> tuple[str, ...]:
    """The columns of the users' file, which `id` and `integers` are among."""
    buyers, where = shop.buyers, f"{path.name}: buyers"
    columns = read_columns(path.parent / buyers.file) if buyers.file else ()
    if buyers.id is not None:
        check_buyer_pattern(buyers.id, columns, f"{where}.id")
    for column in buyers.integers:
        if column not in columns:
            hint = nearest(column, columns) if columns else "there is no buyers.file"
            raise UsageError(f"{where}.integers: no column {column!r}; {hint}")
    return columns


def _check_request(request: Request, names: Iterable[str], where: str) -> None:
    names = tuple(names)
    check_strictly(request.request, names, f"{where}.request")
    for header, text in request.headers.items():
        check_strictly(text, names, f"{where}.headers.{header}")
    for key, text in (request.form or {}).items():
        check_loosely(text, names, f"{where}.form.{key}")
    for text in texts(request.body):
        check_loosely(text, names, f"{where}.body")
    for text in texts(request.text):
        check_loosely(text, names, f"{where}.text")
