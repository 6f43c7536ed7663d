"""How long it takes to judge a run and to make its report, and how much memory: ``python benchmarks/verify.py [--ops 1000000]``.

Judges a synthetic sale of a million operations, then one of four million, each in a process of its own: shards joined, every
check asked, verdict.json written, every figure drawn. Fails when the million takes 15 s or 1.5 GiB, or four million take 4.5 times as long.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

from loadtest.judge.verdict import conclude
from reports.run.build import build

T0_NS = 1_900_000_000_000_000_000
RATE_PER_S = 1000
LIMIT_S = 15
LIMIT_MIB = 1536
LIMIT_GROWTH = 4.5


def main() -> None:
    """Measure both sizes and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ops", type=int, default=1_000_000)
    parser.add_argument("--judge", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.judge:
        print(json.dumps(judge_here(options.judge)))
        return
    one, four = (measure(size) for size in (options.ops, 4 * options.ops))
    growth = four["whole_s"] / one["whole_s"]
    print(f"4 × the operations took {growth:.2f} × as long (at most {LIMIT_GROWTH})")
    if growth > LIMIT_GROWTH or one["whole_s"] > LIMIT_S or one["peak_mib"] > LIMIT_MIB:
        sys.exit("too slow, or too large")


def measure(ops: int) -> dict[str, float]:
    """Write a sale of `ops` operations and judge it in a fresh process."""
    with tempfile.TemporaryDirectory(prefix="loadtest-verify-") as scratch:
        run_dir = Path(scratch)
        write_sale(run_dir, ops)
        command = [sys.executable, __file__, "--judge", str(run_dir)]
        figures: dict[str, float] = json.loads(subprocess.check_output(command))
    print(
        f"{ops:>9,} operations: judged in {figures['judged_s']:.1f} s, judged and reported in {figures['whole_s']:.1f} s, "
        f"peak {figures['peak_mib']:.0f} MiB RSS"
    )
    return figures


def judge_here(run_dir: Path) -> dict[str, float]:
    """Judge and report, in this process. *Warning:* the peak is that of the whole process."""
    began = time.perf_counter()
    verdict = conclude(run_dir)
    judged_s = time.perf_counter() - began
    assert verdict.verdict == "VALID", verdict
    build(run_dir)
    whole_s = time.perf_counter() - began
    return {
        "judged_s": judged_s,
        "whole_s": whole_s,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def write_sale(run_dir: Path, ops: int) -> None:
    """A correct sale: a twentieth of the buyers win, and each winner looks at its order four times."""
    stock = ops // 24
    buyers = ops - 4 * stock
    for part in ("history", "samples", "final"):
        (run_dir / part).mkdir()
    with duckdb.connect() as db:
        db.execute("CREATE MACRO buyer(i) AS printf('b-%07d', i)")
        db.execute("""CREATE MACRO began(b, k) AS format('{{"b":"{}","k":"{}"}}', b, k)""")
        db.execute("""CREATE MACRO ended(b, k, s, t, e, o, n, h) AS
            format('{{"b":"{}","k":"{}","s":{},"t":{},"e":{},"a":{{"o":"{}"{},"h":{}}}}}', b, k, s, t, e, o, coalesce(',"n":"' || n || '"', ''), h)""")
        db.execute("CREATE MACRO number(i) AS printf('sale-%07d', i)")
        db.execute(f"CREATE MACRO stored(i) AS {T0_NS} + 100000000 + i::BIGINT * {10**9 // RATE_PER_S}")
        for shard in range(2):
            write_shard(db, run_dir / "history" / f"g{shard}.jsonl", f"i % 2 = {shard}", buyers, stock)
        write_finals(db, run_dir, buyers, stock)
        write_samples(db, run_dir, stock)


def write_shard(db: duckdb.DuckDBPyConnection, path: Path, mine: str, buyers: int, stock: int) -> None:
    """What every second buyer began, and how it ended: asked 20 µs apart, answered after 5 ms or so."""
    asked = f"{T0_NS} + i * 20000"
    answered = f"{asked} + 5000000 + (hash(i) % 900000)::BIGINT * (i >= {stock})::BIGINT"
    lines = f"""
        SELECT i, 0 AS part, began(buyer(i), 'buy') AS line FROM range({buyers}) r(i) WHERE {mine}
        UNION ALL
        SELECT i, 1, ended(buyer(i), 'buy', {T0_NS}, {asked}, {answered}, if(i < {stock}, 'won', 'sold_out'), if(i < {stock}, number(i), NULL), 202)
        FROM range({buyers}) r(i) WHERE {mine}
        UNION ALL
        SELECT i, 2 + look, began(buyer(i), 'status') || E'\\n'
            || ended(buyer(i), 'status', stored(i) + look, stored(i) + look, stored(i) + look + 3000000, 'confirmed', number(i), 200)
        FROM range({stock}) r(i), range(4) l(look) WHERE {mine}
    """
    db.execute(
        f"COPY (SELECT line FROM ({lines})) TO '{path}' (FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER '\x01')"
    )


def write_finals(db: duckdb.DuckDBPyConnection, run_dir: Path, buyers: int, stock: int) -> None:
    """The final reads and the facts of the sale."""
    every = f"range({stock}) r(i)"
    tables = {
        "final/seeded": f"SELECT number(i) AS number FROM {every}",
        "final/orders": f"SELECT number(i) AS number, buyer(i) AS buyer, stored(i) AS created_ns FROM {every}",
        "final/claims": f"SELECT number(i) AS number, buyer(i) AS buyer FROM {every}",
        "final/tokens": "SELECT '' AS number WHERE false",
        "final/rejected": "SELECT '' AS number, '' AS buyer WHERE false",
        "final/queue": "SELECT '' AS number, '' AS state WHERE false",
        "sale": f"""SELECT 'sale' AS sale, 'tokens' AS scheme, 'queued' AS dispatch, 'flat' AS limiter_kind, {stock} AS stock,
            {buyers} AS buyers, 1 AS per_buyer, {RATE_PER_S}.0 AS configured_per_s, 1 AS workers, 40 AS burst, {T0_NS} AS t0_ns,
            true AS drained, stored({stock}) AS drained_ns, 600.0 AS deadline_s, 0 AS near_misses, 0 AS planned""",
    }
    for name, query in tables.items():
        db.execute(f"COPY ({query}) TO '{run_dir / name}.parquet' (FORMAT parquet)")


def write_samples(db: duckdb.DuckDBPyConnection, run_dir: Path, stock: int) -> None:
    """Ten readings a second of a queue that empties."""
    drained_s = stock / RATE_PER_S
    db.execute(f"""
        COPY (SELECT {T0_NS} + tick::BIGINT * 100000000 AS t, 'broker' AS p, m,
                  greatest(0, {stock} - tick::BIGINT * {RATE_PER_S // 10}) AS v
              FROM range({int(drained_s * 10) + 20}) s(tick), (VALUES ('ready'), ('unacked')) n(m))
        TO '{run_dir / "samples" / "sampler.jsonl"}' (FORMAT json)
    """)


if __name__ == "__main__":
    main()
