"""How well the model of `loadtest plan` predicts sales that it was not calibrated on: predictions compared with measured sales.

One sale calibrates the model; the others differ from it in rate, stock, workers and kind of limiter. All are run by the harness itself.
Aims: the drain, and the rows of the busiest second by their own timestamps (``rate.max_1s``), within 10 %.
Compared without an aim: a sale without a limiter, the backlog, and when the last loser and the last winner are answered.

``--ship`` also stores this machine's calibration, with the capacity seen in the sale without a limiter, as the one that the package ships.
"""

import sys
import tempfile
from pathlib import Path

from loadtest.campaign.cells import WarmStack, warm_stack
from loadtest.experiment.schema import Experiment, Limiter, Workers
from loadtest.judge.figures.rates import measure_drain_s, measure_rate
from loadtest.judge.tables import open_tables
from loadtest.sale.beforehand.plan import plan
from loadtest.sizing.calibration import calibrate, merge, ship
from loadtest.sizing.model import Prediction, predict
from loadtest.stack.external import Given

WITHIN = 0.1


def sale(name: str, stock: int, kind: str, rate_per_s: float, workers: int) -> Experiment:
    """One small sale."""
    return Experiment(
        name=name, stock=stock, buyers=max(1500, 5 * stock // 2), limiter=Limiter.model_validate({"kind": kind, "rate_per_s": rate_per_s}),
        workers=Workers(count=workers, concurrency=8 if workers == 1 else 4),
    )  # fmt: skip


CALIBRATES = sale("calibrates", 2000, "flat", 200, 1)
PREDICTED = [
    sale("shared", 1600, "shared", 400, 2),
    sale("slow", 500, "flat", 50, 2),
    sale("small", 600, "shared", 120, 3),
]
UNLIMITED = sale("unlimited", 2000, "none", 200, 1)


def main() -> None:
    given = Given()
    with (
        tempfile.TemporaryDirectory() as directory,
        warm_stack(given, Path(directory), ["benchmarks/plan.py"]) as stack,
    ):
        calibration = calibrate(hold(CALIBRATES, stack, Path(directory), given))
        print(f"calibrated on {said(CALIBRATES)}, and on nothing else")
        for experiment in PREDICTED:
            run = hold(experiment, stack, Path(directory), given)
            print(said(experiment), flush=True)
            beside(predict(experiment, calibration), run)
        unlimited = hold(UNLIMITED, stack, Path(directory), given)
        print(said(UNLIMITED), flush=True)
        beside(predict(UNLIMITED, calibration), unlimited, aimed=False)
        if "--ship" in sys.argv[1:]:
            ship(merge([calibration, calibrate(unlimited)]), "benchmarks/plan.py")


def said(experiment: Experiment) -> str:
    """A sale in a few words."""
    limiter = experiment.limiter
    rate = "no limiter" if limiter.kind == "none" else f"{limiter.kind} {limiter.rate_per_s:g}/s"
    return f"{experiment.stock:,} units, {experiment.buyers:,} buyers, {rate}, {experiment.workers.count} × {experiment.workers.at_once}"


def hold(experiment: Experiment, stack: WarmStack, directory: Path, given: Given) -> Path:
    """Hold a sale; gives its run directory."""
    run = directory / experiment.name
    verdict = stack.run(plan(experiment, given), run)
    if verdict.verdict != "VALID":
        print(f"  {experiment.name} came out {verdict.verdict}: {verdict.sentence}")
    return run


def beside(predicted: Prediction, run: Path, aimed: bool = True) -> None:
    """Prediction and measurement of one sale, and their ratio."""
    seen = measured(run)
    for name, unit in (
        ("drain_s", "s"),
        ("max_1s", "rows/s"),
        ("backlog", "orders"),
        ("sold_out_s", "s"),
        ("won_s", "s"),
    ):
        value, found = getattr(predicted, name), seen[name]
        ratio = value / found
        aim = aimed and name in ("drain_s", "max_1s")
        verdict = (
            f"(aim {1 - WITHIN:g}–{1 + WITHIN:g}: {'met' if abs(ratio - 1) <= WITHIN else 'MISSED'})" if aim else ""
        )
        print(
            f"  {name:11} predicted {value:8,.2f}, measured {found:8,.2f} {unit:7} {ratio:5.3f} {verdict}", flush=True
        )


def measured(run: Path) -> dict[str, float]:
    """What a run came to, in the names of a Prediction."""
    last = "SELECT (max(end_ns) - (SELECT t0_ns FROM sale)) / 1e9 FROM asks WHERE outcome = '{}'"
    with open_tables(run) as tables:
        found = {
            "drain_s": measure_drain_s(tables),
            "max_1s": measure_rate(tables).max_1s,
            "backlog": tables.figure("SELECT max(value) FROM samples WHERE probe = 'broker' AND metric = 'ready'"),
            "sold_out_s": tables.figure(last.format("sold_out")),
            "won_s": tables.figure(last.format("won")),
        }
    return {name: value or 0.0 for name, value in found.items()}


if __name__ == "__main__":
    main()
