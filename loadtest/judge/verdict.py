"""The verdict: computed once, from the run directory alone. Banner, JUnit file, summary and exit code only read it."""

import json
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from loadtest import SCHEMA_VERSION
from loadtest.errors import HarnessError, UsageError
from loadtest.judge.bodies import FirstAnswer
from loadtest.judge.certificate import certified
from loadtest.judge.checks import CHECKS, Doubt, Finding, Result, State, disbelieve, find, form
from loadtest.judge.doubts import find_doubts, imbalance, killed_generators, lacks, suspect
from loadtest.judge.figures.counts import Counts
from loadtest.judge.figures.fairness import Fairness
from loadtest.judge.figures.measure import Figures, measure
from loadtest.judge.figures.offered import Load
from loadtest.judge.figures.rates import Rate
from loadtest.judge.figures.shaving import Shaving
from loadtest.judge.judged import Judged, insufficient, judged_of
from loadtest.judge.tables import Tables, open_tables
from loadtest.judge.thresholds import ThresholdResult, judge_threshold, parse_threshold
from loadtest.record.generators import FILE as GENERATORS
from loadtest.record.history import load_history
from loadtest.record.samples import load_samples
from loadtest.record.shards import ShardError
from loadtest.record.whole import write_text

EXIT_CODE: dict[State, int] = {"VALID": 0, "INVALID": 1, "UNKNOWN": 3}
BREACHED = 4
# Check → the word for its count in the sentence, where it has one.
COUNTED_BY = {"oversell": "oversold", "lost": "lost", "duplicate": "duplicated", "leaked": "leaked"}


@dataclass(frozen=True)
class Verdict:
    """What a run proves. INVALID outweighs UNKNOWN, which outweighs VALID. Field names are the keys of ``verdict.json``."""

    verdict: State
    exit_code: int
    sentence: str
    counts: Counts
    checks: tuple[Finding, ...]
    thresholds: tuple[ThresholdResult, ...]
    drain_s: float | None
    rate: Rate
    load: Load
    latency_ms: dict[str, dict[str, float]]
    fairness: Fairness
    doubts: tuple[Doubt, ...]
    name: str
    run_dir: str
    mutants: tuple[str, ...] = ()
    certified: bool = False
    shaving: Shaving = field(default_factory=Shaving)
    scope: Judged = field(default_factory=Judged)
    answers: tuple[FirstAnswer, ...] = ()
    schema_version: int = SCHEMA_VERSION


def conclude(run_dir: Path) -> Verdict:
    """Judge a run and write its ``verdict.json``."""
    verdict = judge(run_dir)
    write_verdict(verdict, run_dir)
    return verdict


def judge(run_dir: Path) -> Verdict:
    """Judge a run directory. Writes nothing to it but ``history.parquet`` and ``samples.parquet``.

    1. Join the shards, unless the joined files are newer than they are.
    2. Run every check that the manifest declares enough for.
    3. Where the manifest itself seems to be wrong, do not believe what a check found by it.
    4. Measure the figures, and compare them with the thresholds.
    5. Look for reasons to doubt.
    6. Fold: INVALID if any check is, else UNKNOWN if anything decides so, else VALID.
    """
    name, expressions, mutants = _experiment(run_dir)
    with open_tables(run_dir, _join(run_dir)) as tables:
        suspicions = suspect(tables)
        results = [_believed(find(check, tables), tables, suspicions) for check in CHECKS.values()]
        scope = judged_of(results, tables)
        figures = measure(tables, {result.finding.name: result.units for result in results})
        thresholds, unheld = _hold(expressions, tables, figures)
        suspected = [doubt for doubt, _ in suspicions]
        deciding = [*suspected, *insufficient(results), *_undecided(tables, results), *figures.crashes, *unheld]
        notes = [*find_doubts(tables, deciding=False), *killed_generators(run_dir)]
    findings = tuple(result.finding for result in results)
    state = _fold(findings, deciding)
    breached = state == "VALID" and not all(threshold.passed for threshold in thresholds)
    return Verdict(
        verdict=state,
        exit_code=BREACHED if breached else EXIT_CODE[state],
        sentence=_sentence(figures, state, findings, deciding, scope),
        counts=figures.counts,
        checks=findings,
        thresholds=thresholds,
        drain_s=figures.drain_s,
        rate=figures.rate,
        load=figures.load,
        latency_ms=figures.latency_ms,
        fairness=figures.fairness,
        doubts=tuple(dict.fromkeys([*deciding, *notes])),
        name=name,
        run_dir=str(run_dir),
        mutants=mutants,
        certified=certified(run_dir),
        shaving=figures.shaving,
        scope=scope,
        answers=tables.answers,
    )


def write_verdict(verdict: Verdict, run_dir: Path) -> Path:
    """Write ``verdict.json``, whole or not at all. Gives its path."""
    target = run_dir / "verdict.json"
    write_text(target, json.dumps(asdict(verdict), indent=1, ensure_ascii=False) + "\n")
    return target


def read_verdict(run_dir: Path) -> Verdict:
    """Read the ``verdict.json`` of a run.

    Raises:
        UsageError: there is none, it does not parse, or it is of another schema version.
    """
    path = run_dir / "verdict.json"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["schema_version"] != SCHEMA_VERSION:
            raise UsageError(
                f"{path}: schema {data['schema_version']}, expected {SCHEMA_VERSION}; judge it anew: loadtest verify {run_dir}"
            )
        return _from_json(data)
    except FileNotFoundError:
        raise UsageError(f"{path}: not there, the run is incomplete; judge it: loadtest verify {run_dir}") from None
    except (ValueError, TypeError, KeyError) as error:
        raise UsageError(f"{path}: does not read ({error}); judge it anew: loadtest verify {run_dir}") from None


def _from_json(data: dict[str, Any]) -> Verdict:
    findings = (Finding(**{**each, "witnesses": tuple(each["witnesses"])}) for each in data["checks"])
    typed = {
        "counts": Counts(**data["counts"]),
        "checks": tuple(findings),
        "thresholds": tuple(ThresholdResult(**each) for each in data["thresholds"]),
        "rate": Rate(**data["rate"]),
        "load": Load(**data["load"]),
        "shaving": Shaving(**data["shaving"]),
        "fairness": Fairness(**data["fairness"]),
        "doubts": tuple(Doubt(**each) for each in data["doubts"]),
        "mutants": tuple(data["mutants"]),
        "scope": Judged.read(data["scope"]),
        "answers": tuple(FirstAnswer(**each) for each in data["answers"]),
    }
    return Verdict(**{**data, **typed})


def _join(run_dir: Path) -> dict[str, str]:
    """Join the shards that are newer than their joined file. Maps each table that could not be joined to the reason."""
    loads: dict[str, tuple[str, str, Callable[[Path], Path]]] = {
        "ops": ("history", "history.parquet", load_history),
        "samples": ("samples", "samples.parquet", load_samples),
    }
    unreadable = {}
    for table, (shards, joined, load) in loads.items():
        try:
            if _stale(run_dir / joined, [*(run_dir / shards).glob("*.jsonl"), *run_dir.glob(GENERATORS)]):
                load(run_dir)
        except ShardError as error:
            unreadable[table] = str(error)
    return unreadable


def _stale(joined: Path, shards: Iterable[Path]) -> bool:
    if not joined.is_file():
        return True
    return any(shard.stat().st_mtime_ns > joined.stat().st_mtime_ns for shard in shards)


def _experiment(run_dir: Path) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """Name, thresholds and mutants, from the ``experiment.toml`` that was written before the run started."""
    path = run_dir / "experiment.toml"
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return run_dir.resolve().parent.name, (), ()
    except ValueError as error:
        raise HarnessError(f"{path}: not valid TOML: {error}; restore it from where the run was made") from None
    mutants = tuple(filter(None, [str(data.get("mutant", ""))]))
    return str(data.get("name", "")), tuple(data.get("thresholds", ())), mutants


def _hold(
    expressions: tuple[str, ...], tables: Tables, figures: Figures
) -> tuple[tuple[ThresholdResult, ...], list[Doubt]]:
    """The result of each threshold, and a doubt for each whose metric could not be computed."""
    results = [judge_threshold(parse_threshold(each), tables, figures.counts, figures.drain_s) for each in expressions]
    doubts = [
        Doubt(
            f"threshold {result.expression}: nothing was observed to hold it against",
            "see which read or probe is missing",
        )
        for result in results
        if result.passed is None
    ]
    return tuple(results), doubts


def _undecided(tables: Tables, results: list[Result]) -> list[Doubt]:
    """The doubts that make the run UNKNOWN if no check is INVALID."""
    found = [*lacks(tables), *(doubt for result in results for doubt in result.doubts), *find_doubts(tables)]
    proven = {result.finding.name: result.finding.verdict == "VALID" for result in results}
    balanced = proven["lost"] and proven["phantom"] and not any(result.units for result in results)
    return [*found, *imbalance(tables)] if balanced else found


def _believed(result: Result, tables: Tables, suspicions: list[tuple[Doubt, frozenset[str]]]) -> Result:
    """The result, which is not believed where it is INVALID by what a suspicion says is not so."""
    if result.finding.verdict != "INVALID":
        return result
    check = form(CHECKS[result.finding.name], tables)
    relies = {*check.needs, *check.relies}
    return next((disbelieve(result, doubt) for doubt, voids in suspicions if voids & relies), result)


def _fold(findings: tuple[Finding, ...], deciding: list[Doubt]) -> State:
    states = {finding.verdict for finding in findings}
    if "INVALID" in states:
        return "INVALID"
    return "UNKNOWN" if deciding or "UNKNOWN" in states else "VALID"


def _sentence(
    figures: Figures, state: State, findings: tuple[Finding, ...], deciding: list[Doubt], scope: Judged
) -> str:
    """One line for a banner: how many claims were judged if not all, the counts, how many unanswered orders were resolved, and what
    decided the verdict."""
    counts = figures.counts
    shown = {
        "units" if scope.units == "counted" else "seeded": counts.stock, "sold": counts.sold, "oversold": counts.oversold,
        "lost": counts.lost, "duplicated": counts.duplicated, "leaked": counts.leaked,
    } | ({"in two places": counts.misplaced} if counts.misplaced else {})  # fmt: skip
    unjudged = {COUNTED_BY[name] for name in scope.not_judged if name in COUNTED_BY}
    parts = [scope.headline(state)] if scope.not_judged else []
    parts += [" · ".join(f"{_known(units)} {what}" for what, units in shown.items() if what not in unjudged)]
    if figures.unanswered:
        resolved = ", all resolved" if counts.unresolved == 0 else f", {_known(counts.unresolved)} unresolved"
        known = resolved if "phantom" not in scope.not_judged else ""
        parts.append(f"{figures.unanswered:,} unknown {'reply' if figures.unanswered == 1 else 'replies'}{known}")
    if state == "INVALID":
        parts.append("invalid: " + ", ".join(finding.name for finding in findings if finding.verdict == "INVALID"))
    elif state == "UNKNOWN":
        parts.append(f"not proven: {deciding[0].text}")
    return "; ".join(parts)


def _known(units: int | None) -> str:
    return "?" if units is None else f"{units:,}"
