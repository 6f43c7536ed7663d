"""Thresholds: limits that an experiment sets, such as ``p99_ms < 200``. A breach does not make a sale INVALID; it has its own exit code."""

import operator
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass

from loadtest.errors import UsageError
from loadtest.experiment.names import nearest
from loadtest.judge.figures.counts import COUNTS, Counts
from loadtest.judge.figures.latency import QUANTILES, answered_ms, waited_ms
from loadtest.judge.figures.shaving import COMMITS_MAX_PER_S, REQUESTS_MAX_PER_S
from loadtest.judge.tables import Tables

OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le, ">=": operator.ge, "==": operator.eq, "<": operator.lt, ">": operator.gt,
}  # fmt: skip
# How long the buyers of all orders waited; and those alone that were answered.
LATENCIES = tuple(f"{point}_ms" for point in (*QUANTILES, "max"))
ANSWERED = "answered."
PEAKS = {"requests_per_s.max": REQUESTS_MAX_PER_S, "db_commits_per_s.max": COMMITS_MAX_PER_S}
METRICS = (*LATENCIES, *(ANSWERED + latency for latency in LATENCIES), "drain_s", *PEAKS, *COUNTS)
EXPRESSION = re.compile(r"\s*(\S+?)\s*(<=|>=|==|<|>)\s*(\S+)\s*")


@dataclass(frozen=True)
class Threshold:
    """One limit: the metric, the operator, and the number that the metric is compared with."""

    expression: str
    metric: str
    operator: str
    bound: float

    def holds(self, observed: float) -> bool:
        """Whether `observed` is within the limit."""
        return OPERATORS[self.operator](observed, self.bound)


@dataclass(frozen=True)
class ThresholdResult:
    """What was observed, and whether it is within the limit. Both are None where the metric could not be computed."""

    expression: str
    observed: float | None
    passed: bool | None


def parse_threshold(expression: str) -> Threshold:
    """The threshold that `expression` states.

    Raises:
        UsageError: not of the form ``metric < number``, or no such metric; names the nearest one.
    """
    match = EXPRESSION.fullmatch(expression)
    if not match:
        raise UsageError(
            f"threshold {expression!r}: expected metric, one of {' '.join(OPERATORS)}, number: 'p99_ms < 200'"
        )
    metric, sign, number = match.groups()
    if metric not in METRICS:
        raise UsageError(f"threshold {expression!r}: no metric {metric!r}; {nearest(metric, METRICS)}")
    try:
        bound = float(number)
    except ValueError:
        raise UsageError(f"threshold {expression!r}: expected a number after {sign}, found {number!r}") from None
    if bound != bound or abs(bound) == float("inf"):
        raise UsageError(f"threshold {expression!r}: expected a finite number, found {number!r}")
    return Threshold(expression, metric, sign, bound)


def judge_threshold(threshold: Threshold, tables: Tables, counts: Counts, drain_s: float | None) -> ThresholdResult:
    """Compare the metric of `threshold` with its bound. `drain_s` is in seconds; None: not measured."""
    observed = _observe(threshold.metric, tables, counts, drain_s)
    passed = None if observed is None else threshold.holds(observed)
    return ThresholdResult(threshold.expression, observed, passed)


def _observe(metric: str, tables: Tables, counts: Counts, drain_s: float | None) -> float | None:
    if metric in COUNTS:
        count: int | None = asdict(counts)[metric]
        return count
    if metric in LATENCIES:
        return waited_ms(tables, metric.removesuffix("_ms"))
    if metric.startswith(ANSWERED):
        return answered_ms(tables, metric.removeprefix(ANSWERED).removesuffix("_ms"))
    if metric == "drain_s":
        return drain_s
    return tables.figure(PEAKS[metric])
