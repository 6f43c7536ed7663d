"""Samples: what the probes read, on one clock. Each writer streams a shard ``samples/<writer>.jsonl``.

    {"t":<time_ns>,"p":"broker","m":"ready","v":412}

A killed writer leaves what `loadtest.record.shards` lets pass; a failing probe leaves a gap.
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
    """Merges ``samples/*.jsonl`` to ``samples.parquet``, in order of time, and gives its path. No shards, no rows.

    Raises:
        ShardError: a line does not parse.
    """
    target = run_dir / "samples.parquet"
    with database() as db:
        read_lines(db, find_shards(run_dir / "samples"), Form("samples", COLUMNS, GOOD, _fault))
        replace_parquet(db, MERGE, target)
    return target


def _fault(line: dict[str, Any]) -> str | None:
    """What is wrong with one line that is JSON; None when nothing is."""
    if not isinstance(line.get("t"), int):
        return "'t' is not a whole number"
    if not isinstance(line.get("p"), str) or not isinstance(line.get("m"), str):
        return "'p' and 'm' are not both text"
    return None if isinstance(line.get("v"), int | float | None) else "'v' is not a number"
