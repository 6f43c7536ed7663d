"""Samples: what the probes read during a run. Each writer streams a shard ``samples/<writer>.jsonl``, one line a metric:

    {"t":<time_ns>,"p":"broker","m":"ready","v":412}

Times are in nanoseconds since the epoch. The unfinished end of a killed writer's shard is left out, as `loadtest.record.shards`
says; a probe that fails leaves a gap.
"""

from pathlib import Path
from typing import Any

from loadtest.record.database import database
from loadtest.record.shards import Form, find_shards, read_lines, replace_parquet

COLUMNS = {"t": "BIGINT", "p": "VARCHAR", "m": "VARCHAR", "v": "DOUBLE"}
GOOD = "(t IS NOT NULL AND p IS NOT NULL AND m IS NOT NULL)"
MERGE = """
SELECT t AS time_ns, p AS probe, m AS metric, v AS value
FROM lines WHERE v IS NOT NULL ORDER BY time_ns, probe, metric
"""


def load_samples(run_dir: Path) -> Path:
    """Merge ``samples/*.jsonl`` to ``samples.parquet``, in order of time. Gives its path. Without shards the file has no rows.

    Raises:
        ShardError: a line does not parse.
    """
    target = run_dir / "samples.parquet"
    with database() as db:
        read_lines(db, find_shards(run_dir / "samples"), Form("samples", COLUMNS, GOOD, _fault))
        replace_parquet(db, MERGE, target)
    return target


def _fault(line: dict[str, Any]) -> str | None:
    """What is wrong with one parsed line, in words; None when nothing is."""
    if not isinstance(line.get("t"), int):
        return "'t' is not a whole number"
    if not isinstance(line.get("p"), str) or not isinstance(line.get("m"), str):
        return "'p' and 'm' are not both text"
    return None if isinstance(line.get("v"), int | float | None) else "'v' is not a number"
