"""Peak shaving: the busiest second of requests against the busiest second of commits, and waiting inside the database."""

from dataclasses import dataclass

from loadtest.judge.figures.offered import SENT
from loadtest.judge.tables import Tables

# Writing transactions in the second before each sample, from transaction ids: exact, where pg_stat_database lags.
COMMITS = """
    SELECT now.time_ns, (now.value - ago.value) / ((now.time_ns - ago.time_ns) / 1e9) AS per_s
    FROM (FROM samples WHERE probe IN ('postgres', 'mysql') AND metric = 'write_xids') now
    ASOF JOIN (FROM samples WHERE probe IN ('postgres', 'mysql') AND metric = 'write_xids') ago
        ON now.time_ns - 1000000000 >= ago.time_ns
    WHERE now.time_ns >= (SELECT t0_ns FROM sale)
"""
COMMITS_MAX_PER_S = f"SELECT max(per_s) FROM ({COMMITS})"
REQUESTS_MAX_PER_S = f"SELECT max(n) FROM ({SENT})"
# From T0 to the last row; None below one second of samples, too short for a mean.
COMMITS_MEAN_PER_S = """
    SELECT CASE WHEN max(time_ns) - min(time_ns) >= 1e9
        THEN (max(value) - min(value)) / ((max(time_ns) - min(time_ns)) / 1e9) END
    FROM samples, sale WHERE probe IN ('postgres', 'mysql') AND metric = 'write_xids'
        AND time_ns BETWEEN t0_ns AND (SELECT max(created_ns) + 100000000 FROM orders)
"""


@dataclass(frozen=True)
class Shaving:
    """Requests and commits a second, each in its busiest second. None: not measured.

    `factor` is requests over commits: by how much the peak was lower at the database. `peak_to_mean` is of the commits; 1 is
    level. `active_max` and `lock_waits_max` are numbers of backends, the highest that a sample caught.
    """

    requests_max_per_s: float | None = None
    commits_max_per_s: float | None = None
    commits_mean_per_s: float | None = None
    factor: float | None = None
    peak_to_mean: float | None = None
    active_max: float | None = None
    lock_waits_max: float | None = None


def measure_shaving(tables: Tables) -> Shaving:
    """Compare the peak of requests with the peak of commits."""
    requests, commits = tables.figure(REQUESTS_MAX_PER_S), tables.figure(COMMITS_MAX_PER_S)
    mean = tables.figure(COMMITS_MEAN_PER_S)
    return Shaving(
        requests, commits, mean,
        requests / commits if requests is not None and commits else None,
        commits / mean if commits is not None and mean else None,
        _most(tables, "active"), _most(tables, "lock_waits"),
    )  # fmt: skip


def _most(tables: Tables, metric: str) -> float | None:
    return tables.figure(
        f"SELECT max(value) FROM samples, sale WHERE probe IN ('postgres', 'mysql') AND metric = '{metric}' AND time_ns >= t0_ns"
    )
