"""The calibration: rates, times and costs measured in a recorded run, as the model needs them."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from loadtest.errors import UsageError
from loadtest.experiment.schema import Experiment
from loadtest.experiment.section import parse, read_toml
from loadtest.judge.figures.rates import Rate, measure_rate
from loadtest.judge.tables import Tables, open_tables
from loadtest.record.run_dir import existing

SHIPPED = Path(__file__).with_name("calibration.json")
FELL_SHORT = 0.95  # a steady rate below this share of the limit: the workers are what held it back

FIRST_ROW_S = "SELECT (min(created_ns) - (SELECT t0_ns FROM sale)) / 1e9 FROM orders"
SINCE_T0_S = "(max(end_ns) - (SELECT t0_ns FROM sale)) / 1e9"
WINS_PER_S = f"SELECT count(*) / nullif({SINCE_T0_S}, 0) FROM asks WHERE outcome = 'won'"
# Up to the last sold-out answer: after that, the shop has only winners' orders left to enqueue.
ANSWERS_PER_S = f"""
    SELECT count(*) / nullif({SINCE_T0_S}, 0) FROM asks
    WHERE end_ns <= (SELECT max(end_ns) FROM asks WHERE outcome = 'sold_out')
"""
ROWS_PER_S = "SELECT count(*) / nullif((max(created_ns) - min(created_ns)) / 1e9, 0) FROM orders"
# CPU seconds of all workers between the first row and the last, divided by the rows written meanwhile.
ORDER_CPU_S = """
    SELECT (max(value) - min(value)) / nullif((SELECT count(*) FROM orders WHERE created_ns BETWEEN min(time_ns) AND max(time_ns)), 0)
    FROM samples, (SELECT min(created_ns) AS first_ns, max(created_ns) AS last_ns FROM orders)
    WHERE probe = 'processes' AND metric = 'worker.cpu_s' AND time_ns BETWEEN first_ns AND last_ns
"""
# The same for all sampled processes together: shop, services, and the harness too.
MACHINE_CPU_S = """
    SELECT sum(used) / nullif(any_value(n), 0) FROM (
        SELECT metric, max(value) - min(value) AS used,
            (SELECT count(*) FROM orders WHERE created_ns BETWEEN min(time_ns) AND max(time_ns)) AS n
        FROM samples, (SELECT min(created_ns) AS first_ns, max(created_ns) AS last_ns FROM orders)
        WHERE probe = 'processes' AND regexp_matches(metric, '^[a-z]+[.]cpu_s$') AND time_ns BETWEEN first_ns AND last_ns
        GROUP BY metric
    )
"""
# Redis memory freed for each order that leaves the queue, by regression from its greatest depth on: a message, and the claim freed with it.
MESSAGE_BYTES = """
    WITH depths AS (
        SELECT time_ns, sum(value) AS depth FROM samples WHERE probe = 'broker' AND metric IN ('ready', 'unacked') GROUP BY time_ns
    ), memory AS (SELECT time_ns, value FROM samples WHERE probe = 'redis' AND metric = 'memory_bytes')
    SELECT regr_slope(memory.value, depth) FROM memory ASOF JOIN depths ON memory.time_ns >= depths.time_ns
    WHERE memory.time_ns BETWEEN (SELECT arg_max(time_ns, depth) FROM depths) AND (SELECT max(created_ns) FROM orders)
"""


@dataclass(frozen=True)
class Calibration:
    """Figures measured in one or more runs; None where no run tells. `took`: figure → the run that it is from.

    `first_row_s`: seconds from T0 to the first row.
    `wins_per_s`, `answers_per_s`: winners, and all buyers, answered per second from T0 on, by all of the shop's processes together.
    `effective`: steady rate ÷ configured rate. `overshoot`: share of the bursts that the busiest second used, 0 to 1.
    `worker_per_s`: rows a second that one worker placed, `at_once` at the same time; `saturated` if it could not place more.
    `rows_per_s`: rows a second that all workers placed together.
    `order_cpu_s`: CPU seconds of the workers for an order; `machine_cpu_s`: of all sampled processes for an order.
    `message_bytes`: memory of a waiting order, where the broker is Redis.
    """

    first_row_s: float
    wins_per_s: float
    answers_per_s: float
    effective: float | None = None
    overshoot: float | None = None
    worker_per_s: float = 0.0
    at_once: int = 1
    saturated: bool = False
    rows_per_s: float = 0.0
    order_cpu_s: float | None = None
    machine_cpu_s: float | None = None
    message_bytes: float | None = None
    broker: Literal["redis", "rabbitmq"] = "redis"
    buyers: int = 0
    platform: str = ""
    cpu_count: int = 0
    doubts: tuple[str, ...] = ()
    took: dict[str, str] = field(default_factory=dict)

    @property
    def service_s(self) -> float:
        """Seconds that an order occupies one place of a worker's pool; an upper bound, unless the worker was saturated."""
        return self.at_once / self.worker_per_s


FIGURES = tuple(
    each.name
    for each in fields(Calibration)
    if each.name not in ("broker", "buyers", "platform", "cpu_count", "doubts", "took")
)
# These describe one worker together, so `merge` takes all of them from the same run.
CAPACITY = ("worker_per_s", "at_once", "saturated")


def calibrate(run: Path) -> Calibration:
    """The calibration measured in the run directory `run`, which is only read.

    Raises:
        UsageError: not a run of a queued sale; a run with limiter.kind = native; or one without rows, winners or losers to measure.
    """
    run = existing(run).path
    experiment = parse(Experiment, read_toml(run / "experiment.toml"), str(run / "experiment.toml"))
    if experiment.dispatch != "queued":
        raise UsageError(
            f"--from {run}: dispatch = {experiment.dispatch!r}: nothing was queued; give a run with dispatch = 'queued'"
        )
    if experiment.limiter.kind == "native":
        raise UsageError(
            f"--from {run}: limiter.kind = 'native' collapses, and shows nothing of another; give a run with flat, shared or none"
        )
    with open_tables(run) as tables:
        for table in ("sale", "ops", "orders"):
            if table in tables.missing:
                raise UsageError(f"--from {run}: {tables.missing[table]}; judge it first: loadtest verify {run}")
        found = _measure(tables, experiment, run)
    environment = _environment(run)
    return replace(
        found,
        platform=str(environment.get("platform", "")),
        cpu_count=int(environment.get("cpu_count") or 0),
        doubts=tuple(_doubts(run, experiment)),
        took={name: _name(run) for name in FIGURES if getattr(found, name) is not None},
    )


def merge(calibrations: Sequence[Calibration]) -> Calibration:
    """Several calibrations as one: each figure from the first that has it, but the highest `rows_per_s`, and `CAPACITY` from
    the run with the highest `worker_per_s`, a saturated one before any other.
    """
    first, *others = calibrations
    merged = first
    for other in others:
        missing = [name for name in FIGURES if getattr(merged, name) is None and getattr(other, name) is not None]
        if (other.saturated, other.worker_per_s) > (merged.saturated, merged.worker_per_s):
            missing += CAPACITY
        if other.rows_per_s > merged.rows_per_s:
            missing.append("rows_per_s")
        taken = {name: getattr(other, name) for name in missing}
        took = merged.took | {name: other.took[name] for name in missing}
        merged = replace(merged, **taken, took=took, doubts=tuple(dict.fromkeys((*merged.doubts, *other.doubts))))
    if len({(each.platform, each.cpu_count) for each in calibrations}) > 1:
        merged = replace(merged, doubts=(*merged.doubts, "the runs are of different machines"))
    return merged


def shipped() -> Calibration:
    """The calibration that comes with the package: what ``benchmarks/plan.py --ship`` measured last."""
    data = json.loads(SHIPPED.read_text(encoding="utf-8"))
    machine = f"{data['cpu_count']} cores, {data['platform']}"
    foreign = f"none of this was seen on your machine, but on the one that the package was measured on ({machine}); --from RUN learns from a run of yours"
    return Calibration(**{**data, "doubts": (*data["doubts"], foreign)})


def ship(calibration: Calibration, source: str) -> None:
    """Make `calibration` the one that comes with the package. Its runs are not packaged, so `source` says what made them."""
    took = {name: f"{source}, {run.rpartition('/')[2]}" for name, run in calibration.took.items()}
    SHIPPED.write_text(
        json.dumps(asdict(replace(calibration, took=took)), indent=1, sort_keys=True) + "\n", encoding="utf-8"
    )


def _measure(tables: Tables, experiment: Experiment, run: Path) -> Calibration:
    first_row_s, wins, answers, rows = map(tables.figure, (FIRST_ROW_S, WINS_PER_S, ANSWERS_PER_S, ROWS_PER_S))
    if first_row_s is None or not rows:
        raise UsageError(f"--from {run}: it has no rows to learn from; give a run that sold more than one unit")
    if not wins or not answers:
        raise UsageError(f"--from {run}: expected winners and losers; give a run with more buyers than stock")
    rate, workers = measure_rate(tables), experiment.workers
    effective = rate.steady_per_s / rate.configured_per_s if rate.steady_per_s and rate.configured_per_s else None
    short = effective is not None and effective < FELL_SHORT
    return Calibration(
        first_row_s=first_row_s,
        wins_per_s=wins,
        answers_per_s=answers,
        effective=None if short else effective,  # the quotient then measures the workers, not the limiter
        overshoot=None if short else _overshoot(rate, experiment),
        worker_per_s=(rate.steady_per_s or rows) / workers.count,
        rows_per_s=rate.steady_per_s or rows,
        at_once=workers.at_once,
        saturated=short or not experiment.limited,
        order_cpu_s=tables.figure(ORDER_CPU_S),
        machine_cpu_s=tables.figure(MACHINE_CPU_S),
        message_bytes=_positive(tables.figure(MESSAGE_BYTES)) if experiment.broker.kind == "redis" else None,
        broker=experiment.broker.kind,
        buyers=experiment.buyers,
    )


def buckets(experiment: Experiment) -> int:
    """How many limiters have a rate and a burst of their own: one if shared, else one for each worker."""
    return 1 if experiment.limiter.kind == "shared" else experiment.workers.count


def _overshoot(rate: Rate, experiment: Experiment) -> float | None:
    if rate.max_1s is None or rate.configured_per_s is None:
        return None
    burst = buckets(experiment) * experiment.burst
    return min(1.0, max(0.0, (rate.max_1s - rate.configured_per_s) / burst))


def _doubts(run: Path, experiment: Experiment) -> list[str]:
    """Reasons why the run's figures may not hold for another sale."""
    doubts = []
    if experiment.faults:
        doubts.append(f"{_name(run)} had faults: what they cost is in its figures")
    if experiment.arrivals.kind != "herd":
        doubts.append(
            f"the buyers of {_name(run)} did not come all at once: the shop may answer faster than it was asked"
        )
    if experiment.workers.batch > 1:
        doubts.append(
            f"{_name(run)} placed orders in batches of up to {experiment.workers.batch}: one by one, workers and database take less"
        )
    if (run / "limits.jsonl").is_file():
        doubts.append(f"the limit was changed while {_name(run)} ran")
    verdict = _json(run / "verdict.json")
    if verdict.get("verdict") == "INVALID":
        doubts.append(f"{_name(run)} was INVALID: {verdict.get('sentence', '')}")
    if (verdict.get("load") or {}).get("generator_cpu", 0) > 0.9:
        doubts.append(f"the generator of {_name(run)} used a whole core: the shop may answer faster than it could ask")
    return doubts


def _environment(run: Path) -> dict[str, Any]:
    return _json(run / "environment.json")


def _json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def _positive(value: float | None) -> float | None:
    return value if value is not None and value > 0 else None


def _name(run: Path) -> str:
    """The last two parts of the run's path, by which people tell runs apart."""
    return "/".join(run.parts[-2:])
