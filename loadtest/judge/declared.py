"""Scope: what the manifest of a run declares, and which checks can therefore be judged.

Each check has a tuple of `Need`. Where one is not met the check is not judged: that is told, with what to add to the manifest. A need
is about what was *declared*; what was declared and could not be read makes a run UNKNOWN (`Tables.missing`).
"""

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

Units = Literal["numbered", "counted"]
FILE = "scope.json"
# The sets of the final reads, each a table that is empty where the manifest does not declare it: table → name in the scope.
SETS = {
    "seeded": "seeded", "orders": "rows", "tokens": "tokens", "claims": "claims", "rejected": "rejected", "queue": "queue",
}  # fmt: skip
# What every row could have before rows could also be counted; runs of that time recorded no scope, and are judged as if all was declared.
COLUMNS = ("rows.number", "rows.buyer", "rows.created_at")
FORMERLY = frozenset(SETS.values()) | {*COLUMNS, "near_misses", "queue.entries", "status", "won", "number"}


@dataclass(frozen=True)
class Scope:
    """What was declared.

    Args:
        units: whether every unit has a number that was known beforehand, or units are only counted and the shop makes its own ids.
        items: item → units for sale; empty where there is one, and it has no name.
        declared: names such as ``tokens``, ``rows.buyer``, ``left``.
        recorded: whether the run says so itself.
    """

    units: Units = "numbered"
    items: Mapping[str, int] = field(default_factory=dict)
    declared: frozenset[str] = FORMERLY
    recorded: bool = False

    def has(self, *names: str) -> bool:
        """Whether all of these are declared."""
        return self.declared.issuperset(names)

    @property
    def counted(self) -> bool:
        """Whether units are counted."""
        return self.units == "counted"

    def but_unread(self, missing: Collection[str]) -> "Scope":
        """The scope with the usual columns of rows that could not be read: which they have then is not known."""
        return replace(self, declared=self.declared | {*COLUMNS}) if "orders" in missing else self


@dataclass(frozen=True)
class Need:
    """Something that must be declared. `lack` says what is not there, `add` what to do about it; `met` looks."""

    lack: str
    add: str
    met: Callable[[Scope], bool]


def read_scope(run_dir: Path) -> tuple[Scope, str | None]:
    """The scope of a run, and why it cannot be read; nothing is declared then."""
    try:
        return _scope(json.loads((run_dir / FILE).read_text(encoding="utf-8"))), None
    except FileNotFoundError:
        return Scope(), None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        return Scope(declared=frozenset()), f"{FILE} does not parse: {type(error).__name__}: {error}"


def _scope(data: dict[str, Any]) -> Scope:
    if data["units"] not in get_args(Units):
        raise ValueError(f"expected units numbered or counted, found {data['units']!r}")
    items = {str(item): int(units) for item, units in (data.get("items") or {}).items()}
    return Scope(data["units"], items, frozenset(map(str, data["declared"])), recorded=True)


ROWS = Need(
    "the rows are not read", "say where they are: [final] rows in the manifest", lambda scope: scope.has("rows")
)
NUMBERS = Need(
    "rows have no number", "select the order's id AS number in [final] rows of the manifest",
    lambda scope: scope.has("rows.number"),
)  # fmt: skip
BUYERS = Need(
    "rows have no buyer", "select the buyer's id AS buyer in [final] rows of the manifest",
    lambda scope: scope.has("rows.buyer"),
)  # fmt: skip
TIMES = Need(
    "rows have no time of creation", "select it AS created_at in [final] rows of the manifest",
    lambda scope: scope.has("rows.created_at"),
)  # fmt: skip
SEEDED = Need(
    "the numbers for sale are not known", "say [final] seeded in the manifest; or [units] kind = \"counted\", where the shop makes its own ids",
    lambda scope: scope.counted or scope.has("seeded"),
)  # fmt: skip
# Of counted units an id is only a link; where they are numbered, it says which one was sold.
ROW_IDS = Need(NUMBERS.lack, NUMBERS.add, lambda scope: scope.counted or scope.has("rows.number"))
TOKENS = Need(
    "the numbers still for sale are not read", "say where they are: [final] tokens in the manifest",
    lambda scope: scope.counted or scope.has("tokens"),
)  # fmt: skip
LEFT = Need(
    "how many units are left is not read", "say where that is: [final] left in the manifest",
    lambda scope: not scope.counted or scope.has("left"),
)  # fmt: skip
ITEMS = Need(
    "several items are for sale, and rows do not say which was sold", "select it AS item in [final] rows of the manifest",
    lambda scope: len(scope.items) < 2 or scope.has("rows.item"),
)  # fmt: skip
# A buyer's history does not say which item they asked for.
ONE_ITEM = Need(
    "several items are for sale, and which a buyer asked for is not recorded", "hold a sale of one item as well: [units] items in the manifest",
    lambda scope: len(scope.items) < 2,
)  # fmt: skip
PROMISES = Need(
    "no answer promises anything", "name the one that means won in [http.buy] outcomes of the manifest, or let buyers ask what became of it: [http.status]",
    lambda scope: scope.has("won") or scope.has("status"),
)  # fmt: skip
TOLD_NUMBERS = Need(
    "no answer tells an order's id", "say where it has it: number under [http.buy] or [http.status] of the manifest",
    lambda scope: scope.has("number"),
)  # fmt: skip
STATUS = Need(
    "buyers cannot ask what became of an order", "say how: [http.status] in the manifest", lambda scope: scope.has("status")
)  # fmt: skip
# What ties an answer to a row.
LINK = Need(
    "nothing ties an answer to a row", "select the buyer AS buyer in [final] rows of the manifest, or the id that answers tell AS number",
    lambda scope: scope.has("rows.buyer") or scope.has("rows.number", "number"),
)  # fmt: skip
