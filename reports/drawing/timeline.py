"""The x axis that all charts of a run share: seconds from T0, with its phases, faults and drain."""

import functools
import math
from dataclasses import dataclass

import numpy as np

from reports.data import Column, Missing, RunData

BINS = 1200  # at most; 100 ms each until a run is longer than two minutes
WIDTHS_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
MAGNIFY_FROM = 8  # a run this many times as long as its herd is drawn with the herd magnified
MAGNIFIED = 0.35  # share of the width that the herd then gets


@dataclass(frozen=True)
class Band:
    """A stretch of time with a name: a phase, or a fault. Seconds from T0."""

    name: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Timeline:
    """Limits, bins and marks of the x axis. Up to `herd_s`, if any, time is magnified `zoom` times."""

    t0_ns: int
    start_s: float
    end_s: float
    bin_s: float
    herd_s: float | None
    drained_s: float | None
    phases: tuple[Band, ...]
    faults: tuple[Band, ...]

    @property
    def edges(self) -> Column:
        """Edges of the bins; one of them is T0."""
        first, last = math.floor(self.start_s / self.bin_s), math.ceil(self.end_s / self.bin_s)
        return np.arange(first, last + 1, dtype=np.float64) * np.float64(self.bin_s)

    @property
    def zoom(self) -> float:
        """How many times wider a second of the herd is drawn than a later one."""
        if self.herd_s is None:
            return 1.0
        share = MAGNIFIED / (1 - MAGNIFIED)
        return share * (self.end_s - self.herd_s) / (self.herd_s - self.start_s)

    def seconds(self, time_ns: float) -> float:
        """A wall-clock time as seconds from T0."""
        return (time_ns - self.t0_ns) / 1e9


@functools.lru_cache(maxsize=1)
def timeline(run: RunData) -> Timeline:
    """The x axis of `run`. Raises `Missing` if T0 is not recorded, or nothing was recorded after it."""
    t0_ns = _t0(run)
    drained_s = _drained_s(run, t0_ns)
    end_s = max(_last_event_s(run, t0_ns), drained_s or 0) * 1.02
    if end_s <= 0:
        raise Missing("nothing was recorded after T0")
    herd_s = _herd_s(run, t0_ns, end_s)
    start_s = -max(0.03 * end_s, 0.1) if herd_s is None else -herd_s / 7
    width_s = next((width for width in WIDTHS_S if end_s / width <= BINS), end_s / BINS)
    phases, faults = _phases(run, t0_ns, end_s), _faults(run, t0_ns, end_s)
    return Timeline(t0_ns, start_s, end_s, width_s, herd_s, drained_s, phases, faults)


def _t0(run: RunData) -> int:
    """T0 as the gate recorded it, else as the sale's row has it, else when the first buyer was due."""
    for sql in (
        "SELECT min(time_ns) FROM samples WHERE probe = 'gate' AND metric = 't0'",
        "SELECT min(t0_ns) FROM sale",
        "SELECT min(scheduled_ns) FROM asks",
    ):
        ((found,),) = run.rows(sql)
        if found is not None:
            return int(found)
    raise Missing("; ".join(run.missing.values()) or "nothing tells when the sale opened")


def _drained_s(run: RunData, t0_ns: int) -> float | None:
    """When the sale was drained: as the verdict says, else when the queue and the rows stood still. None if it never was."""
    if not run.sale("drained"):
        return None
    if run.verdict.drain_s is not None:
        return run.verdict.drain_s
    drained_ns = run.sale("drained_ns")
    return (drained_ns - t0_ns) / 1e9 if drained_ns is not None else None


def _last_event_s(run: RunData, t0_ns: int) -> float:
    """When the last reply came or the last row was written; else when the last sample was taken."""
    ((found,),) = run.rows(
        "SELECT greatest((SELECT max(greatest(end_ns, start_ns)) FROM ops), (SELECT max(created_ns) FROM orders))"
    )
    if found is None:
        ((found,),) = run.rows("SELECT max(time_ns) FROM samples")
    return (found - t0_ns) / 1e9 if found is not None else 0.0


def _herd_s(run: RunData, t0_ns: int, end_s: float) -> float | None:
    """A round time by which 99 % of the orders had an answer. None if that is a large part of the run anyway."""
    ((answered,),) = run.rows(
        "SELECT quantile_cont(end_ns - ?, 0.99) / 1e9 FROM asks",
        t0_ns,
    )
    if answered is None or answered <= 0:
        return None
    size = 10.0 ** math.floor(math.log10(answered * 1.1))
    herd_s = max(math.ceil(answered * 1.1 / size) * size, 2 * WIDTHS_S[0])
    return herd_s if end_s > MAGNIFY_FROM * herd_s else None


def _phases(run: RunData, t0_ns: int, end_s: float) -> tuple[Band, ...]:
    found = run.rows(
        "SELECT substr(metric, 7), (min(time_ns) - ?) / 1e9 AS start_s FROM samples "
        "WHERE probe = 'run' AND starts_with(metric, 'phase.') GROUP BY metric ORDER BY start_s",
        t0_ns,
    )
    ends = [start for _, start in found[1:]] + [end_s]
    return tuple(Band(name, start, end) for (name, start), end in zip(found, ends, strict=False))


def _faults(run: RunData, t0_ns: int, end_s: float) -> tuple[Band, ...]:
    """Faults from when they were observed (else intended) until recovery (else healing, else the end)."""
    bands = []
    for fault in run.faults:
        start_ns = fault.observed_ns or fault.intended_ns
        end_ns = fault.recovered_ns or fault.healed_ns
        if start_ns is not None:
            end = (end_ns - t0_ns) / 1e9 if end_ns is not None else end_s
            bands.append(Band(fault.name, (start_ns - t0_ns) / 1e9, end))
    return tuple(bands)
