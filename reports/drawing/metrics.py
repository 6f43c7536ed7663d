"""What the charts draw: queries over a run's tables, each giving arrays, most of them in a dataclass.

Times are seconds from T0. Rates are per second, whatever the width of a bin. NaN means that the value there
is not known, and is drawn as a gap. A figure that the verdict has is the verdict's; it is counted here only where there is none.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from reports.data import Column, RunData
from reports.drawing.series import Series, probed_database, rate
from reports.drawing.timeline import Timeline
from reports.verdict import plain

# In the order of stacking: the answers that a shop should give come first.
OUTCOMES = ("won", "accepted", "sold_out", "already_bought", "throttled", "refused", "unknown")
POINTS = 3000  # of a scatter, per outcome
SLOWEST = 50  # always among them


@dataclass(frozen=True)
class Requests:
    """Requests a second, per bin: buys as planned, sent and answered (by outcome), and status polls sent.

    `offered_1s` and `achieved_1s` are the orders due, and sent, in the busiest second; None where the verdict does not say.
    In a bin that is longer than a second, what was planned and sent is that of its busiest second; answers, which are stacked, are its mean.
    """

    edges: Column
    scheduled: Column
    sent: Column
    answered: Mapping[str, Column]
    polls: Column
    orders: int
    offered_1s: float | None = None
    achieved_1s: float | None = None


@dataclass(frozen=True)
class Progress:
    """Promises and rows so far, at each bin's end, and the stock they must not pass (None if unknown).

    `promised` and `stored` are all of them, with those that have no time.
    """

    edges: Column
    promises: Column
    rows: Column
    stock: int | None
    promised: int
    stored: int

    @property
    def above_stock(self) -> int:
        """Units promised or stored beyond the stock, whichever are more."""
        return 0 if self.stock is None else max(0, max(self.promised, self.stored) - self.stock)


@dataclass(frozen=True)
class Commits:
    """Commits a second: rows by their own time stamp, per bin and over the last 1 s, and write transactions.

    Rows and requests of a bin that is longer than a second are those of its busiest second.
    `fullest_1s` is the most rows that any 1 s window held, and `fullest_s` when that window ended. `shaving` is the verdict's.
    """

    edges: Column
    rows: Column
    rows_1s: Column
    fullest_1s: int
    fullest_s: float
    transactions: Series
    requests: Column
    configured_per_s: float | None
    changed: tuple[tuple[float, float], ...] = ()  # seconds after T0, and the limit from then on
    shaving: Mapping[str, float] = field(default_factory=dict)

    @property
    def limits(self) -> tuple[float, ...]:
        """Every limit that held, in order; none without a limiter."""
        return () if self.configured_per_s is None else (self.configured_per_s, *(per_s for _, per_s in self.changed))


@dataclass(frozen=True)
class Latency:
    """Replies of one outcome, in ms: `scheduled_ms` from the scheduled time, `raw_ms` from the sending.

    Each is (p50, p99, p99.9, max). `time_s` and `points_ms` are a fixed sample of replies for a scatter.
    """

    outcome: str
    count: int
    scheduled_ms: tuple[float, float, float, float]
    raw_ms: tuple[float, float, float, float]
    time_s: Column
    points_ms: Column


@dataclass(frozen=True)
class Lag:
    """How late requests were sent, ms, per bin of their scheduled time: median, p99 and worst."""

    time_s: Column
    p50_ms: Column
    p99_ms: Column
    max_ms: Column


def requests(run: RunData, time: Timeline) -> Requests:
    """Requests a second. Raises `Missing` without the history."""
    run.need("ops")
    empty = np.zeros(len(time.edges) - 1)
    scheduled = _busiest_per_s(run, time, "due", "scheduled_ns").get("", empty)
    sent = _busiest_per_s(run, time, "asks", "start_ns").get("", empty)
    found = _per_s(run, time, "asks", "end_ns", "true", key="outcome")
    answered = {
        outcome: found[outcome] for outcome in (*OUTCOMES, *sorted(set(found) - {*OUTCOMES})) if outcome in found
    }
    polls = _busiest_per_s(run, time, "ops", "start_ns", "kind NOT IN ('buy', 'retry')").get("", empty)
    orders = round(_per_s(run, time, "asks", "start_ns", "true").get("", empty).sum() * time.bin_s)
    peaks = (run.verdict.load.get(f"{what}_per_s") for what in ("offered", "achieved"))
    return Requests(time.edges, scheduled, sent, answered, polls, orders, *peaks)


def progress(run: RunData, time: Timeline) -> Progress:
    """Promises and rows so far. Raises `Missing` without the history or the rows."""
    run.need("ops", "orders")
    empty = np.zeros(len(time.edges) - 1)
    promises = _per_s(run, time, "asks", "end_ns", "outcome = 'won'").get("", empty)
    rows = _per_s(run, time, "orders", "created_ns", "true").get("", empty)
    stock = run.sale("stock") or run.experiment.get("stock")
    promised, stored = (np.cumsum(each) * time.bin_s for each in (promises, rows))
    return Progress(
        edges=time.edges,
        promises=promised,
        rows=stored,
        stock=stock if isinstance(stock, int) else None,
        promised=round(run.verdict.counts.get("promised", float(promised[-1]))),
        stored=round(run.verdict.counts.get("sold", float(stored[-1]))),
    )


def commits(run: RunData, time: Timeline) -> Commits:
    """Commits a second. Raises `Missing` when neither rows nor samples are there."""
    if "samples" in run.missing:
        run.need("orders")
    empty = np.zeros(len(time.edges) - 1)
    (created_ns,) = run.columns(
        "SELECT created_ns - ? AS t FROM orders WHERE created_ns IS NOT NULL ORDER BY t", time.t0_ns
    )
    created_s = created_ns / 1e9
    last_1s = np.searchsorted(created_s, time.edges[1:]) - np.searchsorted(created_s, time.edges[1:] - 1)
    window = np.arange(1, len(created_s) + 1) - np.searchsorted(created_ns, created_ns - 1e9, side="right")
    if time.bin_s > 1:  # the seconds that end within a bin count, too
        place = np.searchsorted(time.edges, created_s, side="right") - 1
        inside = (place >= 0) & (place < len(last_1s))
        np.maximum.at(last_1s, place[inside], window[inside])
    return Commits(
        edges=time.edges,
        rows=_busiest_per_s(run, time, "orders", "created_ns").get("", empty),
        rows_1s=np.where(_within(time.edges[1:], created_s), last_1s, np.nan),
        fullest_1s=int(run.verdict.rate.get("max_1s", window.max(initial=0))),
        fullest_s=float(created_s[np.argmax(window)]) if len(window) else 0.0,
        transactions=rate(run, time, probed_database(run) or "postgres", "write_xids"),
        requests=_busiest_per_s(run, time, "asks", "start_ns").get("", empty),
        configured_per_s=configured_per_s(run),
        changed=tuple(((at_ns - time.t0_ns) / 1e9, per_s) for at_ns, per_s in run.limits),
        shaving=run.verdict.shaving,
    )


def _within(edges: Column, created_s: Column) -> NDArray[np.bool_]:
    """Whether the second before each edge lies wholly between the first row and the last."""
    if not len(created_s):
        return np.zeros(len(edges), dtype=np.bool_)
    return np.asarray((edges >= created_s[0] + 1) & (edges <= created_s[-1]), dtype=np.bool_)


def configured_per_s(run: RunData) -> float | None:
    """W·L: orders a second that all workers together may place. None without a limit, or if not recorded."""
    found = run.sale("configured_per_s")
    return float(found) if found is not None else run.verdict.rate.get("configured_per_s")


def latencies(run: RunData, time: Timeline) -> list[Latency]:
    """Replies to buyers, by outcome. Raises `Missing` without the history."""
    run.need("ops")
    found = run.rows("""
        SELECT outcome, count(*), quantile_disc((end_ns - scheduled_ns) / 1e6, [0.5, 0.99, 0.999, 1.0]),
               quantile_disc((end_ns - start_ns) / 1e6, [0.5, 0.99, 0.999, 1.0])
        FROM asks WHERE end_ns IS NOT NULL AND outcome IS NOT NULL GROUP BY outcome""")
    known = {outcome: rank for rank, outcome in enumerate(OUTCOMES)}
    found.sort(key=lambda row: (known.get(row[0], len(known)), row[0]))
    return [
        Latency(
            plain(outcome), count, _judged(run, outcome, scheduled), tuple(raw), *_points(run, time, outcome, count)
        )
        for outcome, count, scheduled, raw in found
    ]


def _judged(run: RunData, outcome: str, counted: list[float]) -> tuple[float, float, float, float]:
    """p50, p99, p99.9 and max of an outcome: the verdict's, where it has them."""
    said = run.verdict.latency_ms.get(plain(outcome), {})
    p50, p99, p999, most = (
        said.get(key, each) for key, each in zip(("p50", "p99", "p999", "max"), counted, strict=True)
    )
    return p50, p99, p999, most


def delays(run: RunData) -> Column:
    """Seconds from each promise to its row, ascending. Raises `Missing` without the history or the rows."""
    run.need("ops", "orders")
    (found,) = run.columns(
        "SELECT (min(created_ns) - min(end_ns)) / 1e9 AS s FROM asks JOIN orders USING (number) "
        "WHERE outcome = 'won' AND created_ns IS NOT NULL GROUP BY number ORDER BY s"
    )
    return found


def ranks(run: RunData) -> tuple[Column, Column]:
    """The ranks of each winner among the winners, from 1: by asking, and by winning. A fixed sample in a big sale.

    Raises `Missing` without the history.
    """
    run.need("ops")
    arrival, win = run.columns(
        "WITH ranked AS (SELECT row_number() OVER (ORDER BY start_ns, generator, op_id) AS arrival, "
        "row_number() OVER (ORDER BY end_ns, generator, op_id) AS win FROM asks "
        "WHERE outcome = 'won') SELECT arrival, win FROM ranked "
        "WHERE arrival % greatest((SELECT count(*) FROM ranked) // ?, 1) = 0 ORDER BY arrival",
        POINTS,
    )
    return arrival, win


def lag(run: RunData, time: Timeline) -> Lag:
    """How late the generator was. Raises `Missing` without the history."""
    run.need("ops")
    time_s, p50_ms, p99_ms, max_ms = run.columns(
        "SELECT (floor((scheduled_ns - ?) / ?) + 0.5) * ? / 1e9 AS t, "
        "quantile_disc((start_ns - scheduled_ns) / 1e6, 0.5), "
        "quantile_disc((start_ns - scheduled_ns) / 1e6, 0.99), max((start_ns - scheduled_ns) / 1e6) "
        "FROM ops WHERE start_ns IS NOT NULL GROUP BY t ORDER BY t",
        time.t0_ns, time.bin_s * 1e9, time.bin_s * 1e9,
    )  # fmt: skip
    return Lag(time_s, p50_ms, p99_ms, max_ms)


def _points(run: RunData, time: Timeline, outcome: str, count: int) -> tuple[Column, Column]:
    """Times (s) and latencies (ms) of a fixed sample: about `POINTS` ops, chosen by a hash of their id, and the slowest."""
    time_s, latency_ms = run.columns(
        """
        WITH replies AS (
            SELECT op_id, generator, (end_ns - ?) / 1e9 AS t, (end_ns - scheduled_ns) / 1e6 AS ms FROM asks
            WHERE outcome = ? AND end_ns IS NOT NULL)
        SELECT t, ms FROM replies WHERE hash(op_id, generator) % ? = 0
        UNION (SELECT t, ms FROM replies ORDER BY ms DESC, op_id, generator LIMIT ?) ORDER BY t, ms""",
        time.t0_ns, outcome, max(1, count // POINTS), SLOWEST,
    )  # fmt: skip
    return time_s, latency_ms


def _per_s(run: RunData, time: Timeline, table: str, column: str, where: str, key: str = "''") -> dict[str, Column]:
    """Events a second in each bin, by `key`."""
    first, bins = round(time.edges[0] / time.bin_s), len(time.edges) - 1
    found = run.rows(
        "SELECT name, bin, count(*) FROM "
        f"(SELECT {key} AS name, floor(({column} - ?) / ?)::BIGINT - ? AS bin "
        f"FROM {table} WHERE {where} AND {column} IS NOT NULL) WHERE bin BETWEEN 0 AND ? GROUP BY name, bin",
        time.t0_ns, time.bin_s * 1e9, first, bins - 1,
    )  # fmt: skip
    counts: dict[str, Column] = {}
    for name, place, count in found:
        counts.setdefault(plain(name), np.zeros(bins))[place] = count / time.bin_s
    return counts


def _busiest_per_s(run: RunData, time: Timeline, table: str, column: str, where: str = "true") -> dict[str, Column]:
    """Events a second in each bin; in one that is longer than a second, the most that any whole second of it held."""
    if time.bin_s <= 1:
        return _per_s(run, time, table, column, where)
    seconds = replace(time, bin_s=time.bin_s / round(time.bin_s))
    found = _per_s(run, seconds, table, column, where)
    before = round((seconds.edges[0] - time.edges[0]) / seconds.bin_s)
    padded = {name: np.zeros((len(time.edges) - 1) * round(time.bin_s)) for name in found}
    for name, per_s in found.items():
        padded[name][before : before + len(per_s)] = per_s
    return {name: per_s.reshape(-1, round(time.bin_s)).max(axis=1) for name, per_s in padded.items()}
