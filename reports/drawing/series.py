"""Samples as lines over time: gauges as they were read, counters as rates, and both thinned to what a line can show.

Times are seconds from T0. NaN means that the value there is not known, and is drawn as a gap.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reports.data import Column, RunData
from reports.drawing.timeline import Timeline

READINGS = 240  # of a counter between neighbours of which its rate is drawn; of more, over a second each
DRAWN = 600  # points that a line is drawn through: the least and the greatest value of each 300th of its time
GAP = 2.5  # sampling intervals without a sample that make a gap


@dataclass(frozen=True)
class Series:
    """Samples over time. A NaN stands between two samples that are too far apart to be joined.

    `peak` is the greatest value from `since_s` on; NaN where there is none. Rates count from T0, because what buyers cost
    while they gather is not part of the sale; gauges count from the first sample, because the stock is there before T0.
    """

    time_s: Column
    value: Column
    since_s: float = 0.0

    def __bool__(self) -> bool:
        return bool(np.isfinite(self.peak))

    @property
    def peak(self) -> float:
        shown = self.value[(self.time_s >= self.since_s) & np.isfinite(self.value)]
        return float(shown.max()) if len(shown) else np.nan

    def times(self, factor: float) -> "Series":
        """The same with every value multiplied by `factor`, for a smaller unit."""
        return Series(self.time_s, self.value * factor, self.since_s)


def probed_database(run: RunData) -> str | None:
    """The probe of the database that orders were in: ``postgres`` or ``mysql``; None where nothing was sampled of it."""
    if "samples" in run.missing:
        return None
    found = {name for (name,) in run.rows("SELECT DISTINCT probe FROM samples WHERE probe IN ('postgres', 'mysql')")}
    return next((name for name in ("mysql", "postgres") if name in found), None)


def gauge(run: RunData, time: Timeline, probe: str, metric: str) -> Series:
    """The samples of a metric as they were read; empty if there are none. Raises `Missing` without the samples."""
    run.need("samples")
    time_s, value = _samples(run, time, probe, metric)
    holes = np.flatnonzero(_too_long(time_s)) + 1
    middle = (time_s[holes] + time_s[holes - 1]) / 2
    time_s, value = thinned(np.insert(time_s, holes, middle), np.insert(value, holes, np.nan))
    return Series(time_s, value, since_s=time.start_s - 1)


def rate(run: RunData, time: Timeline, probe: str, metric: str) -> Series:
    """A counter's growth per second: between two readings, and in a long run over the second before each, as the verdict counts commits.

    A counter that was reset, or too long a pause between two readings, gives a NaN.
    """
    time_s, value = _samples(run, time, probe, metric)
    if len(time_s) < 2:
        return Series(np.empty(0), np.empty(0))
    if len(time_s) <= READINGS:
        before = np.arange(len(time_s) - 1)
    else:
        before = np.searchsorted(time_s, time_s - 1 + 1e-6, side="right") - 1
        before = before[before >= 0]
    now = np.arange(len(time_s) - len(before), len(time_s))
    passed_s, grown = time_s[now] - time_s[before], value[now] - value[before]
    # Readings between `before` and `now` after which the counter fell, or nothing was read for long.
    broken = np.concatenate(([0], np.cumsum((np.diff(value) < 0) | _too_long(time_s))))
    known = (passed_s > 0) & (broken[now] == broken[before])
    per_s = np.divide(grown, passed_s, out=np.full(len(grown), np.nan), where=known)
    return Series(*thinned((time_s[now] + time_s[before]) / 2, per_s))


def thinned(time_s: Column, value: Column) -> tuple[Column, Column]:
    """At most about `DRAWN` of these points: of each stretch of time its least and its greatest value, and a NaN where there is one."""
    if len(time_s) <= DRAWN:
        return time_s, value
    stretch = np.floor((time_s - time_s[0]) / max(time_s[-1] - time_s[0], 1e-9) * (DRAWN // 2)).astype(np.int64)
    by_value = np.lexsort((value, stretch))  # within each stretch ascending, NaN last
    _, first = np.unique(stretch[by_value], return_index=True)
    last = np.append(first[1:], len(by_value)) - 1
    holes = np.isnan(value)
    finite = np.add.reduceat(~holes[by_value], first)  # how many of each stretch are no NaN
    greatest = first + np.maximum(finite, 1) - 1
    kept = np.unique(by_value[np.concatenate((first, greatest, last[holes[by_value[last]]]))])
    return time_s[kept], value[kept]


def _samples(run: RunData, time: Timeline, probe: str, metric: str) -> tuple[Column, Column]:
    """Readings of one metric from a second before the x axis to a second after it."""
    time_s, value = run.columns(
        "SELECT (time_ns - ?) / 1e9 AS t, value FROM samples WHERE probe = ? AND metric = ? "
        "AND t BETWEEN ? AND ? ORDER BY time_ns",
        time.t0_ns, probe, metric, time.start_s - 1, time.end_s + 1,
    )  # fmt: skip
    return time_s, value


def _too_long(time_s: Column) -> NDArray[np.bool_]:
    """Whether each pause between two readings is too long to draw a line across."""
    passed_s = np.diff(time_s)
    usual = float(np.median(passed_s)) if len(passed_s) else 0.0
    return np.asarray(passed_s > GAP * usual, dtype=np.bool_)
