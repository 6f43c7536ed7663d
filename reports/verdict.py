"""Reads verdict.json. The verdict is computed once, by the harness; banner, junit.xml and summary.md only show it."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

INCOMPLETE = "INCOMPLETE"
STATES = ("VALID", "INVALID", "UNKNOWN")
# Of a check alone: the manifest does not declare what it needs.
NOT_JUDGED = "NOT_JUDGED"
SCHEMA_VERSION = 2
# Kinds of answer that are shown, and characters of each body.
ANSWERS = 40
BODY = 500
# Characters that XML 1.0 forbids, or that a terminal takes as commands.
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True)
class Check:
    """One invariant: what it proves, and what was found. `verdict` is INCOMPLETE if it cannot be read.

    `not_believed`: the doubt about the manifest for which the witnesses prove nothing; empty where there is none.
    """

    name: str
    sentence: str
    verdict: str
    observed: str
    bound: str
    witnesses: tuple[str, ...]
    not_believed: str = ""


@dataclass(frozen=True)
class Lack:
    """What the manifest does not declare, in words with the checks that are not judged for it, and what to add."""

    text: str
    checks: tuple[str, ...]
    add: str


@dataclass(frozen=True)
class Answer:
    """A kind of answer: how many requests had it, what the manifest takes it for, and the first body."""

    kind: str
    request: str
    status: str
    outcome: str
    rule: str
    body: str
    n: float


@dataclass(frozen=True)
class Threshold:
    """A threshold that the experiment set. `passed` is None where nothing was observed."""

    expression: str
    observed: str
    passed: bool | None


@dataclass(frozen=True)
class Doubt:
    """A reason to trust the measurement less, and what to do about it."""

    text: str
    remedy: str


@dataclass(frozen=True)
class Verdict:
    """What ``verdict.json`` says. Without that file `state` is INCOMPLETE, and `sentence` says why."""

    state: str
    sentence: str
    exit_code: int | None = None
    name: str = ""
    counts: Mapping[str, float] = field(default_factory=dict)
    rate: Mapping[str, float] = field(default_factory=dict)
    shaving: Mapping[str, float] = field(default_factory=dict)
    load: Mapping[str, float] = field(default_factory=dict)
    latency_ms: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    fairness: Mapping[str, float] = field(default_factory=dict)
    drain_s: float | None = None
    checks: tuple[Check, ...] = ()
    thresholds: tuple[Threshold, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    mutants: tuple[str, ...] = ()
    judged: int | None = None  # of how many claims; None where not known
    claims: int | None = None
    lacks: tuple[Lack, ...] = ()
    answers: tuple[Answer, ...] = ()

    @property
    def headline(self) -> str:
        """The state, and how many claims were judged where not all were."""
        partial = self.lacks and self.judged is not None and self.claims is not None
        return f"{self.state}, {self.judged} of {self.claims} claims judged" if partial else self.state


def read_verdict(path: Path) -> Verdict:
    """The verdict in `path`. A file that cannot be read as one gives INCOMPLETE, never VALID."""
    if not path.exists():
        return Verdict(INCOMPLETE, "The run has no verdict: it stopped before its final reads were judged.")
    try:
        data = json.loads(path.read_text(encoding="utf-8", errors="replace"))
    except (OSError, ValueError) as error:
        return Verdict(INCOMPLETE, f"verdict.json cannot be read: {plain(error)}")
    if not isinstance(data, dict) or data.get("verdict") not in STATES:
        return Verdict(INCOMPLETE, f"verdict.json says neither {', '.join(STATES[:-1])} nor {STATES[-1]}.")
    if data.get("schema_version", SCHEMA_VERSION) != SCHEMA_VERSION:
        found = plain(data["schema_version"])
        return Verdict(
            INCOMPLETE,
            f"verdict.json has schema {found}; this version reads {SCHEMA_VERSION}: judge it anew with loadtest verify.",
        )
    return _verdict(data)


def plain(value: object) -> str:
    """`value` as one line of text without control characters; numbers as people write them."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return number_text(value)
    return CONTROL.sub("\N{REPLACEMENT CHARACTER}", str(value))


def number_text(value: float) -> str:
    """1234567 → ``1,234,567``; fractions to three figures; never an exponent for what a person counts."""
    if value != value or value in (float("inf"), float("-inf")):
        return "–"
    if value == int(value):
        return f"{int(value):,}"
    size = abs(value)
    return f"{value:,.0f}" if size >= 1000 else f"{value:.1f}" if size >= 10 else f"{value:.3g}"


def _verdict(data: dict[str, Any]) -> Verdict:
    exit_code = data.get("exit_code")
    scope = data["scope"] if isinstance(data.get("scope"), dict) else {}
    latencies: Any = data.get("latency_ms")
    return Verdict(
        state=str(data["verdict"]),
        sentence=plain(data.get("sentence") or "verdict.json gives no sentence."),
        exit_code=exit_code if isinstance(exit_code, int) else None,
        name=plain(data.get("name") or ""),
        counts=_numbers(data.get("counts")),
        rate=_numbers(data.get("rate")),
        shaving=_numbers(data.get("shaving")),
        load=_numbers(data.get("load")),
        latency_ms={plain(outcome): _numbers(each) for outcome, each in latencies.items()}
        if isinstance(latencies, dict)
        else {},
        fairness=_numbers(data.get("fairness")),
        drain_s=number(data.get("drain_s")),
        checks=tuple(_check(each) for each in _dicts(data.get("checks"))),
        thresholds=tuple(_threshold(each) for each in _dicts(data.get("thresholds"))),
        doubts=tuple(_doubt(each) for each in _list(data.get("doubts"))),
        mutants=tuple(plain(each) for each in _list(data.get("mutants"))),
        judged=_whole(scope.get("judged")),
        claims=_whole(scope.get("claims")),
        lacks=tuple(_lack(each) for each in _dicts(scope.get("lacks"))),
        answers=tuple(_answer(each) for each in _dicts(data.get("answers"))[:ANSWERS]),
    )


def _check(data: dict[str, Any]) -> Check:
    verdict = data.get("verdict")
    return Check(
        name=plain(data.get("name") or "unnamed"),
        sentence=plain(data.get("sentence") or ""),
        verdict=verdict if verdict in (*STATES, NOT_JUDGED) else INCOMPLETE,
        observed=plain(data.get("observed")),
        bound=plain(data.get("bound")),
        witnesses=tuple(plain(each) for each in _list(data.get("witnesses"))),
        not_believed=plain(data.get("not_believed") or ""),
    )


def _lack(data: dict[str, Any]) -> Lack:
    checks = tuple(plain(each) for each in _list(data.get("checks")))
    return Lack(plain(data.get("text") or ""), checks, plain(data.get("add") or ""))


def _answer(data: dict[str, Any]) -> Answer:
    kind, request, status, outcome, rule = (
        plain(data.get(key)) for key in ("kind", "request", "status", "outcome", "rule")
    )
    body = plain(data.get("body") or "")
    shown = body if len(body) <= BODY else f"{body[:BODY]} …"
    return Answer(kind, request, status, outcome, rule, shown, number(data.get("n")) or 0)


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _threshold(data: dict[str, Any]) -> Threshold:
    passed = data.get("passed")
    return Threshold(
        plain(data.get("expression")),
        plain(data.get("observed")),
        passed if isinstance(passed, bool) else None,
    )


def _doubt(data: object) -> Doubt:
    if isinstance(data, dict):
        return Doubt(plain(data.get("text") or ""), plain(data.get("remedy") or ""))
    return Doubt(plain(data), "")


def number(value: object) -> float | None:
    """`value` if it is a number, else None."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _numbers(data: object) -> dict[str, float]:
    if not isinstance(data, dict):
        return {}
    return {str(key): value for key, raw in data.items() if (value := number(raw)) is not None}


def _list(data: object) -> list[Any]:
    return data if isinstance(data, list) else []


def _dicts(data: object) -> list[dict[str, Any]]:
    return [each for each in _list(data) if isinstance(each, dict)]
