"""Figures: everything in a verdict that is measured rather than judged."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from loadtest.judge.checks import Doubt
from loadtest.judge.figures.counts import Counts, count, count_unanswered
from loadtest.judge.figures.fairness import Fairness, measure_fairness
from loadtest.judge.figures.latency import measure_latency
from loadtest.judge.figures.offered import Load, measure_load
from loadtest.judge.figures.rates import Rate, measure_drain_s, measure_rate
from loadtest.judge.figures.shaving import Shaving, measure_shaving
from loadtest.judge.tables import Tables

log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True)
class Figures:
    """All figures of a run. `unanswered`: orders with outcome `unknown`; `crashes`: a doubt for each figure that raised an error."""

    counts: Counts
    unanswered: int | None
    drain_s: float | None
    rate: Rate
    shaving: Shaving
    load: Load
    latency_ms: dict[str, dict[str, float]]
    fairness: Fairness
    crashes: list[Doubt] = field(default_factory=list)


def measure(tables: Tables, units: Mapping[str, int | None]) -> Figures:
    """Compute all figures of a run; `units` as in `count`. One that raises stays empty and adds a doubt to `crashes`."""
    crashes: list[Doubt] = []

    def attempt(name: str, compute: Callable[[], T], otherwise: T) -> T:
        try:
            return compute()
        except Exception as error:
            log.exception("figure %s crashed", name)
            crashes.append(
                Doubt(f"{name} could not be computed: {error}", "report it with this run directory; it is a bug")
            )
            return otherwise

    return Figures(
        attempt("counts", lambda: count(tables, units), Counts()),
        attempt("unanswered", lambda: count_unanswered(tables), None),
        attempt("drain_s", lambda: measure_drain_s(tables), None),
        attempt("rate", lambda: measure_rate(tables), Rate()),
        attempt("shaving", lambda: measure_shaving(tables), Shaving()),
        attempt("load", lambda: measure_load(tables), Load()),
        attempt("latency_ms", lambda: measure_latency(tables), {}),
        attempt("fairness", lambda: measure_fairness(tables), Fairness()),
        crashes,
    )
