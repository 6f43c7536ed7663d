"""Judged: how many claims of a run were judged, and what the others lack."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from loadtest.judge.checks import Doubt, Result
from loadtest.judge.declared import Units
from loadtest.judge.tables import Tables

# One of these must be judged beside `oversell`: what was promised came true, or every unit is where it must be.
EITHER = ("lost", "leaked")


@dataclass(frozen=True)
class Lack:
    """One thing that the manifest does not declare, the checks that are not judged for it, and what to add."""

    text: str
    checks: tuple[str, ...]
    add: str

    @property
    def line(self) -> str:
        """It and the checks, in words."""
        return f"{self.text}: {', '.join(self.checks)} {'is' if len(self.checks) == 1 else 'are'} not judged"


@dataclass(frozen=True)
class Judged:
    """How many of the `claims` were `judged`, in a sale of numbered or counted units; and what the others lack."""

    units: Units = "numbered"
    judged: int = 0
    claims: int = 0
    lacks: tuple[Lack, ...] = ()

    @property
    def not_judged(self) -> frozenset[str]:
        """The names of the checks that were not."""
        return frozenset(check for lack in self.lacks for check in lack.checks)

    def headline(self, state: str) -> str:
        """``VALID``; ``VALID, 9 of 14 claims judged`` where not all were."""
        return f"{state}, {self.judged} of {self.claims} claims judged" if self.lacks else state

    @classmethod
    def read(cls, data: dict[str, Any]) -> "Judged":
        """What ``verdict.json`` says of it."""
        lacks = tuple(Lack(**{**each, "checks": tuple(each["checks"])}) for each in data["lacks"])
        return cls(**{**data, "lacks": lacks})


def judged_of(results: Sequence[Result], tables: Tables) -> Judged:
    """What was judged; of what is not there one line, whatever it is needed for."""
    needs = dict.fromkeys(need for result in results for need in result.lacks)
    lacks = tuple(
        Lack(need.lack, tuple(result.finding.name for result in results if need in result.lacks), need.add)
        for need in needs
    )
    judged = sum(not result.lacks for result in results)
    return Judged(tables.scope.units, judged, len(results), lacks)


def insufficient(results: Sequence[Result]) -> list[Doubt]:
    """The doubts for which a run is UNKNOWN though nothing is wrong: too little of it could be judged."""
    lacking = {result.finding.name: result.lacks for result in results if result.lacks}
    wanted = ["oversell"] if "oversell" in lacking else []
    if all(name in lacking for name in EITHER):
        wanted += EITHER
    needs = dict.fromkeys(need for name in wanted for need in lacking[name])
    return [Doubt(f"too little can be judged: {need.lack}", need.add) for need in needs]
