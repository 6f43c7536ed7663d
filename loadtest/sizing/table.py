"""The sizing as a table for the terminal, and as JSON: a line for each choice and each prediction, with its arithmetic."""

import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from loadtest.experiment.redelivery import Held, redelivery_s
from loadtest.sizing.calibration import FIGURES, Calibration, buckets
from loadtest.sizing.choice import LEAST_WORKERS, LOAD, Sizing

MOST_BUYERS = 1_000_000  # that an experiment may have
MARGIN = 1.5  # the harness gives up after this many times the predicted drain

Line = tuple[str, str, str]
# Figure of the calibration → how it is shown: title, format, factor, and the tables that it was measured in.
SHOWN = {
    "first_row_s": ("first row", "{:.2f} s after T0", 1, "orders"),
    "wins_per_s": ("winners answered", "{:,.0f}/s", 1, "history"),
    "answers_per_s": ("buyers answered", "{:,.0f}/s", 1, "history, until the last sold-out"),
    "effective": ("steady / limit", "{:.3f}", 1, "orders, while a backlog stood"),
    "overshoot": ("part of the burst used", "{:.2f}", 1, "orders, the busiest second"),
    "worker_per_s": ("one worker placed", "{:,.0f}/s", 1, "orders"),
    "rows_per_s": ("all workers placed", "{:,.0f}/s", 1, "orders"),
    "order_cpu_s": ("workers' processor", "{:.2f} ms an order", 1000, "samples"),
    "machine_cpu_s": ("whole machine's processor", "{:.2f} ms an order", 1000, "samples"),
    "message_bytes": ("a waiting order", "{:,.0f} B in Redis", 1, "samples: memory against queue"),
}


def show(console: Console, sizing: Sizing) -> None:
    """Print `sizing` on `console`."""
    asked = sizing.demand
    console.print(
        f"{asked.stock:,} units, {asked.buyers:,} buyers at T0, at most {asked.budget_per_s:g} rows in any second, "
        f"an answer within {asked.within_s:g} s", style="bold", highlight=False,
    )  # fmt: skip
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(min_width=16)
    table.add_column(style="dim")
    for line in lines(sizing):
        table.add_row(*map(Text, line))
    console.print(table, highlight=False)
    for conflict in sizing.conflicts:
        console.print(Text.assemble(("✗ does not fit", "red"), f"  {conflict}"))
    if sizing.fits:
        console.print(Text.assemble(("✓ fits", "green"), f"  try it: {command(sizing)}"))
    for limit in sizing.limits:
        console.print(Text.assemble(("not tried", "yellow"), f"  {limit}"))
    console.print(Text(_origin(sizing.calibration), style="dim"))


def lines(sizing: Sizing) -> Iterator[Line]:
    """Lines of what, how much, and the arithmetic behind it: first the choices, then the predictions."""
    yield from _choices(sizing)
    yield from _expectations(sizing)


# fmt: off
def _choices(sizing: Sizing) -> Iterator[Line]:
    experiment, c, asked = sizing.experiment, sizing.calibration, sizing.demand
    limiter, workers, held = experiment.limiter, experiment.workers, Held.by(experiment)
    placed = f"{LOAD:g} × {c.worker_per_s:,.0f}/s: one could not place more" if c.saturated else f"{c.worker_per_s:,.0f}/s: one was seen to hold that"
    yield ("limiter", f"{limiter.kind}, {limiter.rate_per_s:g}/s",
           f"{limiter.rate_per_s:g} + burst {limiter.allowed_burst} ≤ {asked.budget_per_s:g} in every second, however many workers")
    yield ("workers", f"{workers.count}", f"{limiter.rate_per_s:g}/s ÷ ({placed}), and {LEAST_WORKERS} at least, since one may fail")
    service = f"{c.service_s * 1000:,.1f} ms{'' if c.saturated else ' at most'} ({c.at_once} ÷ {c.worker_per_s:,.0f}/s)"
    yield ("concurrency", f"{workers.at_once}",
           f"as that worker had: an order kept a place {service}; {workers.count * workers.at_once} connections to the database")
    waits = f"{workers.at_once} × {experiment.prefetch} orders in each worker's hands, the last for {held.waits_s:.2g} s"
    yield ("prefetch", f"{experiment.prefetch}", f"{waits}; of one that fell silent they are handed out again after {redelivery_s(experiment):g} s")
    yield ("shops like the run's", f"{sizing.shops}", f"{asked.buyers:,} requests ÷ {c.answers_per_s:,.0f}/s ÷ {asked.within_s:g} s")


def _expectations(sizing: Sizing) -> Iterator[Line]:
    found, c, experiment = sizing.prediction, sizing.calibration, sizing.experiment
    sold, k = min(sizing.demand.stock, sizing.demand.buyers), buckets(experiment)
    late = 1.0 if c.overshoot is None else c.overshoot
    yield ("peak", f"{found.max_1s:,.0f} rows/s",
           f"busiest second: {found.rows_per_s:,.1f} + {late:.2f} × burst {experiment.limiter.allowed_burst}; never above {found.bound_1s:,.0f}")
    yield ("drain", f"{found.drain_s:,.1f} s",
           f"first row {c.first_row_s:.2f} s + ({sold:,} − {k}) ÷ {found.rows_per_s:,.1f}/s (limit × {c.effective or 1:.3f})")
    yield ("backlog", f"{found.backlog:,.0f} orders", f"{sold:,} enqueued within {found.won_s:,.1f} s, less what is placed meanwhile, less {found.held} held")
    if found.backlog_bytes is None or c.message_bytes is None:
        yield ("broker memory", "not known", f"no run tells the size of an order that waits in {experiment.broker.kind}")
    else:
        yield ("broker memory", f"{found.backlog_bytes / 2**20:,.1f} MiB", f"{found.backlog + found.held:,.0f} × {c.message_bytes:,.0f} B")
    if found.sold_out_s:
        yield ("last loser told", f"{found.sold_out_s:,.1f} s", f"{sizing.demand.buyers:,} ÷ ({sizing.shops} × {c.answers_per_s:,.0f}/s)")
    yield ("last winner told", f"{found.won_s:,.1f} s", f"“you have one”: {sold:,} ÷ ({sizing.shops} × {c.wins_per_s:,.0f}/s)")
    yield ("last order stands", f"{found.drain_s:,.1f} s", "its row is written: the drain")
    yield ("everybody knows", f"{found.answered_s:,.1f} s", f"the latest of these; asked for: {sizing.demand.within_s:g} s")
# fmt: on


def command(sizing: Sizing) -> str:
    """The ``loadtest run`` command that tries the sizing: stock, limiter and workers as planned, and twice as many buyers as units."""
    experiment = sizing.experiment
    sets = {
        "stock": experiment.stock, "buyers": min(2 * experiment.stock, MOST_BUYERS), "limiter.kind": experiment.limiter.kind, "limiter.rate_per_s": f"{experiment.limiter.rate_per_s:g}",
        "workers.count": experiment.workers.count, "workers.concurrency": experiment.workers.at_once,
    }  # fmt: skip
    if sizing.prediction.drain_s > experiment.drain.deadline_s / MARGIN:
        sets["drain.deadline_s"] = math.ceil(MARGIN * sizing.prediction.drain_s)
    return "loadtest run " + " ".join(f"--set {key}={value}" for key, value in sets.items())


def _origin(calibration: Calibration) -> str:
    """One line for each run of the calibration: the figures taken from it, and where each was measured."""
    taken: dict[str, list[str]] = {}
    for name in FIGURES:
        if name in SHOWN and name in calibration.took:
            title, form, factor, where = SHOWN[name]
            text = f"{title} {form.format(getattr(calibration, name) * factor)} ({where})"
            taken.setdefault(calibration.took[name], []).append(text)
    return "\n".join(f"from {run}: {' · '.join(texts)}" for run, texts in taken.items())


def as_json(sizing: Sizing) -> dict[str, Any]:
    """The whole sizing as values that `json` can write, for programs."""
    experiment = sizing.experiment
    return {
        "fits": sizing.fits,
        "demand": asdict(sizing.demand),
        "choice": {
            "limiter": experiment.limiter.kind, "rate_per_s": experiment.limiter.rate_per_s, "burst": experiment.limiter.allowed_burst,
            "workers": experiment.workers.count, "concurrency": experiment.workers.at_once, "prefetch": experiment.prefetch,
            "shops": sizing.shops,
        },
        "prediction": asdict(sizing.prediction) | {"answered_s": sizing.prediction.answered_s},
        "arithmetic": [{"what": what, "value": value, "because": because} for what, value, because in lines(sizing)],
        "conflicts": list(sizing.conflicts),
        "limits": list(sizing.limits),
        "calibration": asdict(sizing.calibration),
    }  # fmt: skip
