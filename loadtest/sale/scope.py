"""The scope of a run: what its manifest declares, so that a check knows what it may ask for (``scope.json``)."""

import json
from collections.abc import Iterator, Mapping

from loadtest.manifest.final import Final
from loadtest.manifest.shop import Shop
from loadtest.record.run_dir import RunDir
from loadtest.record.whole import write_text

SETS = ("seeded", "rows", "tokens", "claims", "rejected", "near_misses", "left")
# What rows of which nobody can say what they tell are taken to tell: else one that cannot be read would not be asked for.
UNTOLD = frozenset({"number", "buyer"})


def write_scope(
    run_dir: RunDir, shop: Shop, final: Final, items: Mapping[str, int], columns: frozenset[str] | None
) -> None:
    """Write it. `items`: item → units of it; `columns`: those that the rows really had; None: nobody can say."""
    scope = {
        "units": "counted" if final.seeded is None else "numbered",
        "items": dict(items) or None,
        "declared": list(declared(shop, final, UNTOLD if columns is None else columns)),
    }
    write_text(run_dir.scope, json.dumps(scope, indent=2) + "\n")


def declared(shop: Shop, final: Final, columns: frozenset[str]) -> Iterator[str]:
    """The names of all that the manifest declares; `columns` are those that the rows have."""
    yield from (name for name in SETS if getattr(final, name) is not None)
    yield from sorted(f"rows.{column}" for column in columns)
    if shop.queue:
        yield "queue"
        if shop.queue.kind != "command" and shop.queue.number:
            yield "queue.entries"
    if shop.http.status:
        yield "status"
    if any(rule.outcome == "won" for rule in shop.http.buy.outcomes):
        yield "won"
    if shop.http.tells_numbers:
        yield "number"
