"""Certification: runs sales that are wrong on purpose, and demands that the right check fails on each.

A check that has never failed proves nothing. The manifest names controls (experiments that must fail as they are) and mutants (the
correct shop with one mistake built in), each with the checks of which one must trip, that is, come out INVALID. The *honest twin* of a
mutant, the same experiment without the mistake, must be VALID. Forgeries need no further sale: each changes one thing in what a VALID
run recorded.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from loadtest.campaign.cells import WarmStack, warm_stack
from loadtest.campaign.forgeries import FORGERIES, Forgery
from loadtest.campaign.matrix import failed_checks
from loadtest.campaign.meanwhile import meanwhile
from loadtest.errors import HarnessError, UsageError
from loadtest.experiment.files import lay_over
from loadtest.experiment.names import nearest
from loadtest.experiment.schema import Experiment
from loadtest.judge.certificate import fingerprint, issue
from loadtest.judge.verdict import Verdict, judge
from loadtest.manifest.loading import load_shop
from loadtest.manifest.shop import Proof, Shop
from loadtest.record.run_dir import create_directory
from loadtest.sale.beforehand.plan import plan
from loadtest.sale.interrupt import interruptible
from loadtest.stack.external import Given

# An exhibit shows what it sells. Its figures are nobody's, so buyers need not ask as seldom, nor the drain look as seldom, as in a sale
# held for those: these are the longest pauses, in seconds.
POLL_S = 0.25
SETTLE_S = 0.1


@dataclass(frozen=True)
class Exhibit:
    """One judged sale or forgery: the checks of which one had to trip, and those that did.

    `caught`: one of the expected checks tripped; where none is expected, the sale was VALID.
    """

    kind: str
    name: str
    expected: tuple[str, ...]
    tripped: tuple[str, ...]
    caught: bool
    witness: str


@dataclass(frozen=True)
class Certification:
    """Runs every control, mutant, twin and forgery of one manifest, on services that stay up."""

    base: Experiment
    shop: Shop
    given: Given
    directory: Path
    report: Callable[[Path], None]
    only: frozenset[str] = frozenset()
    foreign: bool = False  # the manifest's mistakes alone, with one honest twin; nothing is forged

    def run(self, stack: WarmStack, show: Callable[[Exhibit], None]) -> list[Exhibit]:
        """Run everything that `only` selects, passing each exhibit to `show` as soon as it is judged."""
        found: list[Exhibit] = []
        for exhibit in self._exhibits(stack):
            show(exhibit)
            found.append(exhibit)
        return found

    def _exhibits(self, stack: WarmStack) -> Iterator[Exhibit]:
        if self.foreign:
            yield from self._foreign(stack)
            return
        for name, proof in self.shop.controls.items():
            if self._wanted(proof):
                yield self._proof(stack, "control", name, proof, {})
        for name, proof in self.shop.mutants.items():
            if self._wanted(proof):
                yield self._proof(stack, "mutant", name, proof, {"mutant": name})
        for name, overrides in self._twins().items() if not self.only else ():
            yield self._twin(stack, name, overrides)
        if forgeries := [forgery for forgery in FORGERIES if self._wanted(forgery)]:
            yield from self._forgeries(stack, forgeries)

    def _foreign(self, stack: WarmStack) -> Iterator[Exhibit]:
        yield from (self.hold(stack, name) for name, proof in self.shop.mutants.items() if self._wanted(proof))
        if not self.only:
            yield self.hold_honest(stack)

    def hold(self, stack: WarmStack, mutant: str) -> Exhibit:
        """One mistake of a foreign shop. It must trip what the manifest says, and nothing else."""
        proof = self.shop.mutants[mutant]
        exhibit = self._proof(stack, self.shop.name, mutant, proof, {"mutant": mutant})
        return replace(exhibit, caught=exhibit.caught and set(exhibit.tripped) <= {*proof.trips, *proof.beside})

    def hold_honest(self, stack: WarmStack) -> Exhibit:
        """The foreign shop without a mistake."""
        return self._twin(stack, f"any of {self.shop.name}", {})

    def _wanted(self, proof: Proof | Forgery) -> bool:
        return not self.only or bool(self.only & set(proof.trips))

    def _forgeries(self, stack: WarmStack, forgeries: Sequence[Forgery]) -> Iterator[Exhibit]:
        good = self._hold(stack, "honest-rush", {})
        if good.verdict != "VALID":
            yield _honest("the sale that is forged", good)
            return
        for forgery in forgeries:
            yield self._forge(forgery)

    def _twins(self) -> dict[str, dict[str, Any]]:
        """Overrides of each honest twin, by the first mutant that has it: many mutants share one twin."""
        twins: dict[str, dict[str, Any]] = {}
        known: set[str] = set()
        for name, proof in self.shop.mutants.items():
            key = json.dumps(proof.experiment, sort_keys=True)
            if key not in known:
                known.add(key)
                twins[name] = dict(proof.experiment)
        return twins

    def _proof(self, stack: WarmStack, kind: str, name: str, proof: Proof, mutation: Mapping[str, Any]) -> Exhibit:
        try:
            verdict = self._hold(stack, f"{kind}-{name}", {**proof.experiment, **mutation})
        except HarnessError as error:
            return Exhibit(kind, name, proof.trips, (), False, f"did not run: {str(error).splitlines()[0]}")
        return _exhibit(kind, name, proof.trips, verdict)

    def _twin(self, stack: WarmStack, name: str, overrides: Mapping[str, Any]) -> Exhibit:
        try:
            return _honest(f"twin of {name}", self._hold(stack, f"twin-{name}", overrides))
        except HarnessError as error:
            return Exhibit("honest", f"twin of {name}", (), (), False, f"did not run: {str(error).splitlines()[0]}")

    def _hold(self, stack: WarmStack, name: str, overrides: Mapping[str, Any]) -> Verdict:
        planned = plan(lay_over(self.base, overrides, f"certify {name}"), self.given)
        return stack.run(planned, self.directory / "cells" / name, self.report)

    def _forge(self, forgery: Forgery) -> Exhibit:
        path = self.directory / "cells" / f"forged-{forgery.name}"
        forgery.make(self.directory / "cells" / "honest-rush", path)
        return _exhibit("forgery", forgery.name, forgery.trips, judge(path))


def certify(
    base: Experiment,
    given: Given,
    out: Path,
    command: list[str],
    console: Console,
    report: Callable[[Path], None],
    only: Sequence[str] = (),
    also: Sequence[Experiment] = (),
) -> tuple[Path, bool]:
    """Run every control, mutant, twin and forgery; return the directory, and whether all of them came out as they must.

    If so, and if every check was tried, writes a certificate into `out`: verdicts of runs there then say that the checks are certified.
    With `only`, names of checks, runs only what must trip those, and writes no certificate. Sales of `base` are `brisk`.

    Raises:
        UsageError: before anything starts: `only` names no check, or the experiment or a given service is wrong.
    """
    base = brisk(base)
    shop, _ = load_shop(base)
    _check_names(only)
    for experiment in (base, *also):
        plan(experiment, given)
    directory = create_directory(out, "certify", base.seed)
    kinds = [base.broker.kind]
    with interruptible(), meanwhile(report) as done, warm_stack(given, directory, command, kinds) as stack:
        certifications = [Certification(base, shop, given, directory, done, frozenset(only))]
        certifications += [
            Certification(other, load_shop(other)[0], given, directory, done, frozenset(only), foreign=True)
            for other in also
        ]
        exhibits = [
            exhibit for each in certifications for exhibit in each.run(stack, lambda exhibit: _show(console, exhibit))
        ]
    untried = [name for name in _untried(exhibits) if not only or name in only]
    good = all(exhibit.caught for exhibit in exhibits) and not untried
    _sum_up(console, exhibits, untried, partial=bool(only))
    if good and not only:
        issue(out, [exhibit.name for exhibit in exhibits])
    return directory, good


def brisk(base: Experiment) -> Experiment:
    """`base` with no pause longer than `POLL_S` and `SETTLE_S`. Where it has a shorter one, or an exhibit sets its own, that holds."""
    pauses = {
        "arrivals.poll_s": min(base.arrivals.poll_s, POLL_S),
        "drain.settle_s": min(base.drain.settle_s, SETTLE_S),
    }
    return lay_over(base, pauses, "certify")


def _check_names(only: Sequence[str]) -> None:
    from loadtest.judge.checks import CHECKS

    for name in only:
        if name not in CHECKS:
            raise UsageError(f"--only {name!r}: no such check; {nearest(name, CHECKS)}")


def _untried(exhibits: list[Exhibit]) -> list[str]:
    """Checks that no exhibit was expected to trip."""
    from loadtest.judge.checks import CHECKS

    tried = {check for exhibit in exhibits for check in exhibit.expected}
    return [name for name in CHECKS if name not in tried]


def _exhibit(kind: str, name: str, trips: tuple[str, ...], verdict: Verdict) -> Exhibit:
    tripped = failed_checks(verdict) or (verdict.verdict.lower(),)
    caught = bool(set(trips) & set(tripped))
    witnesses = [w for check in verdict.checks if check.name in trips for w in check.witnesses]
    # A check that is not judged cannot trip: what to declare is the reason.
    lacks = [f"{lack.line}; {lack.add}" for lack in verdict.scope.lacks if not caught and set(trips) & set(lack.checks)]
    doubts = [doubt.text for doubt in verdict.doubts]
    return Exhibit(kind, name, trips, tripped, caught, next(iter([*witnesses, *lacks, *doubts]), verdict.sentence))


def _honest(name: str, verdict: Verdict) -> Exhibit:
    tripped = failed_checks(verdict) or (() if verdict.verdict == "VALID" else (verdict.verdict.lower(),))
    return Exhibit("honest", name, (), tripped, verdict.verdict == "VALID", verdict.sentence)


def _show(console: Console, exhibit: Exhibit) -> None:
    mark = ("✓", "green") if exhibit.caught else ("✗", "bold red")
    expected = " or ".join(exhibit.expected) or "nothing"
    tripped = ", ".join(exhibit.tripped) or "nothing"
    said = f" {exhibit.kind:<8} {exhibit.name:<32} must trip {expected:<16} tripped {tripped:<30} "
    console.print(Text.assemble(mark, said, (exhibit.witness, "dim")), soft_wrap=True)


def _sum_up(console: Console, exhibits: list[Exhibit], untried: list[str], partial: bool) -> None:
    missed = [exhibit for exhibit in exhibits if not exhibit.caught]
    if not missed and not untried and partial:
        console.print(
            Text.assemble((f"\n{len(exhibits)} exhibits caught", "bold"), "; a certificate takes all of them")
        )
        return
    if not missed and not untried:
        console.print(
            Text.assemble(("\nCERTIFIED", "bold green"), f": {len(exhibits)} exhibits, checks {fingerprint()}")
        )
        return
    console.print("\nNOT CERTIFIED", style="bold red")
    for exhibit in missed:
        wanted = " or ".join(exhibit.expected)
        text = (
            f"check {wanted} did not trip on {exhibit.kind} {exhibit.name}"
            if wanted
            else f"{exhibit.name} should be VALID"
        )
        console.print(Text(f"  {text}"))
    for check in untried:
        console.print(Text(f"  check {check}: nothing here could have tripped it"))
