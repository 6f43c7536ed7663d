"""Checks: what a verdict claims, one invariant a file.

A check is a sentence and the SQL that looks for what would refute it, over the tables of `loadtest.judge.tables`. It is pure:
the same run directory gives the same finding. Not here: figures that are reported but not judged (`judge.figures`), and
reasons to doubt a whole run (`judge.doubts`). Read first: `Check`, then `find`; the smallest member is `double_promise`.
"""

import logging
from dataclasses import dataclass, replace
from typing import Literal

from loadtest.judge.declared import Need
from loadtest.judge.tables import FINAL_READS, Tables

log = logging.getLogger(__name__)

# Of a run; and of a finding, which may also be about something that the manifest does not declare.
State = Literal["VALID", "UNKNOWN", "INVALID"]
FindingState = Literal["VALID", "UNKNOWN", "INVALID", "NOT_JUDGED"]
WITNESSES = 10


@dataclass(frozen=True)
class Doubt:
    """A reason to trust a measurement less, and what to do about it."""

    text: str
    remedy: str


@dataclass(frozen=True)
class Check:
    """One invariant.

    Args:
        name: as in ``verdict.json``.
        sentence: what it proves when it is VALID.
        needs: the tables without which it can prove nothing. One that the manifest does not declare is empty, and not missed.
        witnesses: a query with a column `text`: a row for each unit in which the sentence is untrue, in words, in order.
        observed: a query of one row (observed, bound), in words. It may ask the table ``witnesses``.
        unsettled: a query of rows (text, remedy): why the absence of witnesses proves nothing in this run.
        scope: what must be declared, so that it can be judged at all.
        relies: what else it goes by, of the names in `loadtest.judge.declared`: where a doubt says that such a thing is not what the
            manifest says it is, a witness is not believed. The tables that it needs count, too.
        units: a query for how many units the table ``witnesses`` is about, where a witness may be more than one.
        counted: the check in a sale of counted units, where it is another there.
    """

    name: str
    sentence: str
    needs: tuple[str, ...]
    witnesses: str
    observed: str
    unsettled: str | None = None
    scope: tuple[Need, ...] = ()
    relies: tuple[str, ...] = ()
    units: str = "SELECT count(*) FROM witnesses"
    counted: "Check | None" = None


@dataclass(frozen=True)
class Finding:
    """What one check found. At most ten witnesses are kept. `not_believed`: the doubt for which these do not make it INVALID."""

    name: str
    sentence: str
    verdict: FindingState
    observed: str
    bound: str
    witnesses: tuple[str, ...] = ()
    not_believed: str = ""


@dataclass(frozen=True)
class Result:
    """A finding, how many units it is about (None where that is not known), and the doubts that made it UNKNOWN.

    `lacks`: what it must have declared and has not; the finding then is NOT_JUDGED.
    """

    finding: Finding
    units: int | None
    doubts: tuple[Doubt, ...] = ()
    lacks: tuple[Need, ...] = ()


def find(check: Check, tables: Tables) -> Result:
    """What `check` finds in a run.

    NOT_JUDGED where the manifest does not declare what it needs; INVALID where there is a witness, whatever the doubts; UNKNOWN where the
    check crashes, lacks a table or is unsettled; else VALID.
    """
    check = form(check, tables)
    if lacks := tuple(need for need in check.scope if not need.met(tables.scope)):
        said = "; ".join(need.lack for need in lacks)
        return Result(Finding(check.name, check.sentence, "NOT_JUDGED", said, "–"), None, lacks=lacks)
    lacking = [name for name in check.needs if name in tables.missing]
    if lacking:
        return _undecided(
            check, f"not decided: {', '.join(lacking)} missing", tuple(lack(n, tables.missing[n]) for n in lacking)
        )
    try:
        return _ask(check, tables)
    except Exception as error:
        log.exception("check %s crashed", check.name)
        doubt = Doubt(
            f"check {check.name} crashed: {_first_line(error)}", "report it with this run directory; it is a bug"
        )
        return _undecided(check, "not decided: the check crashed", (doubt,))


def form(check: Check, tables: Tables) -> Check:
    """The check as it is asked in this run."""
    return check.counted if check.counted and tables.scope.counted else check


def disbelieve(result: Result, doubt: Doubt) -> Result:
    """The result of a check that went by what is not so, as `doubt` says: what it found is kept, and proves nothing."""
    finding = replace(result.finding, verdict="UNKNOWN", not_believed=doubt.text)
    return replace(result, finding=finding, units=None)


def _ask(check: Check, tables: Tables) -> Result:
    tables.db.execute(f"CREATE OR REPLACE TEMP TABLE witnesses AS {check.witnesses}")
    texts = tuple(str(text) for (text,) in tables.rows(f"SELECT text FROM witnesses LIMIT {WITNESSES}"))
    units = int(tables.row(check.units)[0] or 0) if texts else 0
    observed, bound = tables.row(check.observed)
    unsettled = tables.rows(check.unsettled) if check.unsettled else []
    doubts = tuple(Doubt(f"{check.name}: {text}", remedy) for text, remedy in unsettled)
    state: State = "INVALID" if units else "UNKNOWN" if doubts else "VALID"
    finding = Finding(check.name, check.sentence, state, observed, bound, texts)
    return Result(finding, units if units or not doubts else None, doubts)


def _undecided(check: Check, observed: str, doubts: tuple[Doubt, ...]) -> Result:
    return Result(Finding(check.name, check.sentence, "UNKNOWN", observed, "–"), None, doubts)


def lack(name: str, reason: str) -> Doubt:
    """The doubt for the table `name`, which could not be read because of `reason`, with what to do about it."""
    if name in FINAL_READS:
        remedy = (
            f"see logs/ for why the final read failed, check [final] {FINAL_READS[name]} in the manifest, and run again"
        )
    elif name == "ops":
        remedy = "see logs/ for what became of the generator; mend or take out the line that is named, and judge again"
    else:
        remedy = "see logs/ for why it was not written, and run again"
    return Doubt(f"{name} missing: {reason}", remedy)


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


# The members import `Check` from this module, so it must be defined before they are imported.
from loadtest.judge.checks import (  # noqa: E402
    double_promise,
    drain,
    duplicate,
    flatness,
    leaked,
    lockout,
    lost,
    oversell,
    per_buyer,
    phantom,
    sold_out_early,
    told_untrue,
    undersell,
    wrong_owner,
)

CHECKS: dict[str, Check] = {
    member.CHECK.name: member.CHECK
    for member in (
        oversell,
        double_promise,
        lost,
        wrong_owner,
        duplicate,
        per_buyer,
        phantom,
        leaked,
        undersell,
        sold_out_early,
        told_untrue,
        lockout,
        drain,
        flatness,
    )
}
