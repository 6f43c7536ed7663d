"""Doubts: why a run may prove less than it seems to. Each says what to change.

A doubt that *decides* makes a run UNKNOWN unless a check found it INVALID; the others are only reported. A *suspicion* is about the
manifest, and comes before any check: what goes by it is not believed. Here: one file for each thing that may be doubted, with its rules
in the tuple `RULES`. Read first: `Rule`, then `find_doubts`; the smallest member is `breakage`.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

from loadtest.judge.checks import Doubt, lack
from loadtest.judge.tables import Tables
from loadtest.record.shards import find_shards

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rule:
    """A query of rows (text, remedy), one for each doubt. Skipped where a table that it `needs` is missing."""

    needs: tuple[str, ...]
    query: str
    decides: bool = True


def find_doubts(tables: Tables, *, deciding: bool = True) -> list[Doubt]:
    """The doubts about how the run was made: with `deciding` those that can make it UNKNOWN, else the others."""
    found = []
    for rule in RULES:
        if rule.decides == deciding:
            found += _ask(rule, tables)
    return found


def suspect(tables: Tables) -> list[tuple[Doubt, frozenset[str]]]:
    """The doubts about the manifest, each with what is not to be believed: tables, and names of `loadtest.judge.declared`."""
    return [(doubt, frozenset(rule.voids)) for rule in suspicions.RULES for doubt in _ask(rule, tables)]


def imbalance(tables: Tables) -> list[Doubt]:
    """A doubt if promises, rows and unanswered orders do not add up. Meaningful only where no check found a witness."""
    return _ask(crowd.UNBALANCED, tables)


def _ask(rule: Rule, tables: Tables) -> list[Doubt]:
    if set(rule.needs) & set(tables.missing):
        return []
    try:
        return [Doubt(text, remedy) for text, remedy in tables.rows(rule.query)]
    except Exception as error:
        log.exception("a doubt crashed")
        return [Doubt(f"a doubt crashed: {error}", "report it with this run directory; it is a bug")]


def lacks(tables: Tables) -> list[Doubt]:
    """A doubt for each missing table but ``samples``: a run can be judged without them, and `NO_SAMPLES` reports it."""
    return [lack(name, tables.missing[name]) for name in tables.missing if name != "samples"]


def killed_generators(run_dir: Path) -> list[Doubt]:
    """A doubt for each shard of the history that was never closed. Its open orders count as `unknown`, which is legal but reported."""
    killed = [shard for shard in find_shards(run_dir / "history") if shard.killed]
    return [
        Doubt(
            f"{shard.path.name} was not closed by its generator: {shard.nul_bytes:,} NUL bytes"
            f"{' and a torn line' if shard.torn_line else ''} at its end were left out",
            "see logs/ for why the generator died",
        )
        for shard in killed
    ]


# The members import `Rule` from this module, so it must be defined before they are imported.
from loadtest.judge.doubts import breakage, crowd, pace, suspicions, tester  # noqa: E402

RULES: tuple[Rule, ...] = (*breakage.RULES, *tester.RULES, *crowd.RULES, *pace.RULES)
