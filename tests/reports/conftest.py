"""Run directories made of thin air: what the harness would leave behind, written by DuckDB alone."""

import gc
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest

from loadtest.record.database import database
from reports.run.build import build

# Matplotlib makes objects by the hundred thousand, and a sixth of its time would go into looking for those that are left.
gc.set_threshold(100_000)

T0 = 1_790_000_000_000_000_000
EVIL = '<script>alert("1")</script> & "quoted" \x1b[31mred\x00'


@dataclass
class Sale:
    """A sale to make up. Times in seconds from T0."""

    stock: int = 200
    buyers: int = 1000
    rate_per_s: float = 50
    answers_per_s: float = 6000
    extra_rows: int = 0
    lost: int = 0
    leaked: int = 0
    unanswered: int = 0
    state: str | None = "VALID"
    witness: str = "sale-000201 went to b-000900 as the 201st row"
    error: str = "ReadTimeout: no reply within 10 s"
    faults: bool = False
    fault: str = "kill worker"
    repeated: str = "already_bought"  # what a buyer is told the second time
    defaults: dict[str, object] = field(default_factory=lambda: {"stock": 200, "buyers": 500, "limiter.kind": "flat"})

    @property
    def drained_s(self) -> float:
        """When the last row was written."""
        return 0.2 + self.stock / self.rate_per_s


def write_run(path: Path, sale: Sale) -> Path:
    """The run directory of `sale` under `path`."""
    (path / "final").mkdir(parents=True)
    (path / "logs").mkdir()
    (path / "logs" / "worker-1.log").write_text("ready\n", encoding="utf-8")
    with database() as db:
        db.execute("CREATE MACRO noise(i, k) AS ((hash(i * 31 + k) % 100000)::DOUBLE / 100000)")
        db.execute(f"CREATE MACRO moment(s) AS ({T0} + (s * 1e9)::BIGINT)")
        _ops(db, sale)
        _rows(db, sale)
        _samples(db, sale)
        _sale(db, sale)
        for table, file in TABLES.items():
            db.execute(f"COPY {table} TO '{path / file}' (FORMAT parquet)")
    _small_files(path, sale)
    return path


TABLES = {
    "ops": "history.parquet",
    "samples": "samples.parquet",
    "sale": "sale.parquet",
    **{name: f"final/{name}.parquet" for name in ("seeded", "orders", "tokens", "claims", "rejected", "queue")},
}


def _ops(db: Any, sale: Sale) -> None:
    """Buyers fire within 40 ms of T0 and are answered at the shop's pace; winners then ask once a second for their row."""
    db.execute(
        f"""
        CREATE TABLE ops AS
        WITH buys AS (
            SELECT i, moment(noise(i, 1) * 0.04) AS start_ns,
                   moment(0.03 + (i + 20 * noise(i, 2)) / {sale.answers_per_s} + 0.02 * noise(i, 3)) AS end_ns,
                   CASE WHEN i <= {sale.stock} THEN 'won' WHEN i > {sale.buyers - sale.unanswered} THEN 'unknown'
                        WHEN i % 50 = 7 THEN '{sale.repeated}' ELSE 'sold_out' END AS outcome
            FROM generate_series(1, {sale.buyers}) AS t(i)
        ), polls AS (
            SELECT i, k, moment(noise(i, 1) * 0.1 + k) AS start_ns, 0.2 + i / {sale.rate_per_s} <= k AS confirmed
            FROM generate_series(1, {sale.stock}) AS t(i), generate_series(1, {int(sale.drained_s) + 2}) AS u(k)
            WHERE k - 1 < 0.2 + i / {sale.rate_per_s}
        )
        SELECT row_number() OVER () AS op_id, 'g-1' AS generator, * FROM (
            SELECT printf('b-%06d', i) AS buyer, 'buy' AS kind, moment(0) AS scheduled_ns, start_ns,
                   CASE WHEN outcome = 'unknown' THEN NULL ELSE greatest(end_ns, start_ns + 1000000) END AS end_ns, outcome,
                   CASE WHEN outcome = 'won' THEN printf('sale-%06d', i) END AS number,
                   (CASE outcome WHEN 'won' THEN 202 WHEN 'sold_out' THEN 410 WHEN 'already_bought' THEN 409 END)::INTEGER AS http_status,
                   CASE WHEN outcome = 'unknown' THEN ? END AS error
            FROM buys
            UNION ALL
            SELECT printf('b-%06d', i), 'status', start_ns, start_ns, start_ns + 2000000 + (noise(i, 9) * 3e6)::BIGINT,
                   CASE WHEN confirmed THEN 'confirmed' ELSE 'pending' END, printf('sale-%06d', i), 200, NULL
            FROM polls)""",
        [sale.error],
    )


def _rows(db: Any, sale: Sale) -> None:
    """A row every 1/rate seconds; the lost are promised and written nowhere, the leaked are seeded and nowhere."""
    written = sale.stock - sale.lost - sale.leaked
    db.execute(f"""
        CREATE TABLE seeded AS SELECT printf('sale-%06d', i) AS number FROM generate_series(1, {sale.stock}) AS t(i);
        CREATE TABLE orders AS
            SELECT printf('sale-%06d', i) AS number, printf('b-%06d', i) AS buyer,
                   moment(0.2 + i / {sale.rate_per_s} + 0.004 * noise(i, 5)) AS created_ns
            FROM generate_series(1, {written}) AS t(i)
            UNION ALL
            SELECT printf('sale-%06d', {sale.stock} + i), printf('b-%06d', {sale.stock} + i),
                   moment({sale.drained_s} * (0.6 + 0.3 * i / {sale.extra_rows + 1}))
            FROM generate_series(1, {sale.extra_rows}) AS t(i);
        CREATE TABLE tokens (number VARCHAR); CREATE TABLE claims (number VARCHAR, buyer VARCHAR);
        CREATE TABLE rejected (number VARCHAR, buyer VARCHAR); CREATE TABLE queue (number VARCHAR, state VARCHAR)""")
    if sale.leaked:
        db.execute(
            f"UPDATE ops SET outcome = 'unknown', number = NULL, error = 'reset after send' WHERE kind = 'buy' "
            f"AND outcome = 'won' AND number > printf('sale-%06d', {sale.stock - sale.leaked})"
        )


def _samples(db: Any, sale: Sale) -> None:
    """Ten readings a second from 1.5 s before T0 until 1 s after the drain, with a hole where the broker did not answer."""
    end = sale.drained_s + 1
    herd = sale.buyers / sale.answers_per_s + 0.03
    db.execute(f"""
        CREATE TABLE samples AS
        WITH clock AS (SELECT i / 10.0 AS s, moment(i / 10.0) AS time_ns FROM generate_series(-15, {int(end * 10)}) AS t(i)),
        shop AS (
            SELECT s, time_ns, least(greatest(s - 0.2, 0) * {sale.rate_per_s}, {sale.stock}) AS rows,
                   least(greatest(s, 0) * {sale.answers_per_s}, {sale.stock}) AS promised,
                   least(greatest(s, 0) / {herd}, 1) AS fired FROM clock),
        wide AS (
            SELECT time_ns, floor(rows) AS "truth/rows", 1000 + floor(rows) AS "postgres/write_xids",
                   9000 + floor(rows) AS "postgres/commits", 1 + (rows > 0 AND rows < {sale.stock})::INT AS "postgres/active",
                   (noise((s * 10)::INT, 4) > 0.95)::INT AS "postgres/lock_waits", 1e6 + rows * 700 AS "postgres/wal_bytes",
                   greatest({sale.stock} - floor(promised), 0) AS "redis/tokens", 1.1e6 + promised * 90 AS "redis/memory_bytes",
                   CASE WHEN s NOT BETWEEN 1.95 AND 2.45 THEN greatest(floor(promised - rows) - 8, 0) END AS "broker/ready",
                   CASE WHEN s NOT BETWEEN 1.95 AND 2.45 THEN least(8, greatest(floor(promised - rows), 0)) END AS "broker/unacked",
                   5 + fired * {sale.buyers / 12000} + greatest(s, 0) * 0.04 AS "processes/generator.cpu_s",
                   9 + fired * {sale.buyers / 9000} + greatest(s, 0) * 0.03 AS "processes/api.cpu_s",
                   2 + rows * 0.003 AS "processes/worker.cpu_s", 3 + rows * 0.002 AS "processes/postgres.cpu_s",
                   floor(fired * {sale.buyers}) AS "generator/sent", floor(fired * {sale.buyers}) AS "generator/answered"
            FROM shop)
        SELECT time_ns, split_part(key, '/', 1) AS probe, split_part(key, '/', 2) AS metric, value::DOUBLE AS value
        FROM (UNPIVOT wide ON COLUMNS(* EXCLUDE time_ns) INTO NAME key VALUE value)
        UNION ALL SELECT {T0}, 'gate', 't0', 1
        UNION ALL SELECT moment(s), 'run', 'phase.' || name, 1 FROM (VALUES
            (-3.0, 'preparing'), (-1.4, 'gathering'), (0.0, 'herd'), ({herd + 0.3}, 'draining'), ({sale.drained_s + 0.6}, 'reading'),
            ({sale.drained_s + 0.9}, 'judging')) AS phases(s, name)""")


def _sale(db: Any, sale: Sale) -> None:
    db.execute(f"""CREATE TABLE sale AS SELECT 'sale' AS sale, 'tokens' AS scheme, 'queued' AS dispatch, 'flat' AS limiter_kind,
        {sale.stock}::BIGINT AS stock, {sale.buyers}::BIGINT AS buyers, 1::BIGINT AS per_buyer, {sale.rate_per_s}::DOUBLE AS configured_per_s,
        1::BIGINT AS workers, 2::BIGINT AS burst, {T0}::BIGINT AS t0_ns, true AS drained, moment({sale.drained_s}) AS drained_ns,
        120.0::DOUBLE AS deadline_s, 0::BIGINT AS near_misses, {sale.buyers}::BIGINT AS planned""")


def _small_files(path: Path, sale: Sale) -> None:
    (path / "experiment.toml").write_text(
        f'name = "rush"\nscheme = "tokens"\ndispatch = "queued"\nstock = {sale.stock}\nbuyers = {sale.buyers}\nper_buyer = 1\n'
        f'seed = 1\nthresholds = ["p99_ms < 400"]\n[limiter]\nkind = "flat"\nrate_per_s = {sale.rate_per_s}\n[workers]\ncount = 1\n',
        encoding="utf-8",
    )
    (path / "shop.toml").write_text('name = "built-in"\nsale = "sale"\n', encoding="utf-8")
    fault = {"fault": sale.fault, "target": "worker-1"} | {
        f"{moment}_ns": T0 + int(seconds * 1e9)
        for moment, seconds in (("intended", 1.0), ("observed", 1.05), ("healed", 1.8), ("recovered", 2.2))
    }  # fmt: skip
    (path / "faults.jsonl").write_text(json.dumps(fault) + '\n{"torn' if sale.faults else "", encoding="utf-8")
    environment = {
        "git_sha": "4f0c2d9a7be1", "platform": "Linux-6.1-x86_64", "python": "3.11.9", "cpu_count": 2, "services": "embedded",
        "started_at": "2026-09-21T14:13:20Z", "command": "loadtest run rush --set buyers=1000",
        "versions": {"locust": "2.47.0", "celery": "5.7.0", "postgres": "18.6", "redis": "6.2.14"}, "defaults": sale.defaults,
    }  # fmt: skip
    (path / "environment.json").write_text(json.dumps(environment), encoding="utf-8")
    if sale.state is not None:
        (path / "verdict.json").write_text(json.dumps(verdict(sale)), encoding="utf-8")


CHECKS = {
    "oversell": "no more rows than seeded numbers, and none that was not seeded",
    "double_promise": "no number was promised to two buyers",
    "lost": "every promise became a row, or was openly taken back",
    "duplicate": "no number has two rows",
    "per_buyer": "no buyer has more than one unit",
    "phantom": "nobody has a row who was told there was none",
    "leaked": "every seeded number is in exactly one place",
    "undersell": "everything that could be sold was sold",
    "sold_out_early": "nobody won after another had been told that all was gone",
    "drain": "the queue was empty before the deadline",
    "flatness": "the database saw the configured rate, no more and no less",
}


def verdict(sale: Sale) -> dict[str, Any]:
    """What the harness would have written about `sale`."""
    found = {"oversell": sale.extra_rows, "lost": sale.lost, "leaked": sale.leaked}
    checks = [
        {"name": name, "sentence": sentence, "verdict": "INVALID" if found.get(name) else "VALID",
         "observed": f"{found.get(name, 0)}", "bound": "0", "witnesses": [sale.witness] * min(found.get(name, 0), 3)}
        for name, sentence in CHECKS.items()
    ]  # fmt: skip
    checks[-1] |= {"observed": "52 in the fullest second, steady 49.8/s", "bound": "52"}
    if sale.state == "UNKNOWN":
        checks[2] |= {
            "verdict": "UNKNOWN",
            "observed": None,
            "witnesses": ["final/orders.parquet was not written"],
        }
    sold = sale.stock - sale.lost - sale.leaked + sale.extra_rows
    return {
        "schema_version": 2, "verdict": sale.state, "exit_code": {"VALID": 0, "INVALID": 1, "UNKNOWN": 3}[sale.state or "UNKNOWN"],
        "sentence": f"{sale.stock:,} seeded · {sold:,} sold · {sale.extra_rows} oversold · {sale.lost} lost · 0 duplicated · "
                    f"{sale.leaked} leaked; {sale.unanswered} unknown replies",
        "counts": {"stock": sale.stock, "promised": sale.stock - sale.leaked, "sold": sold, "oversold": sale.extra_rows,
                   "double_promised": 0, "duplicated": 0, "lost": sale.lost, "leaked": sale.leaked, "phantom": 0,
                   "unresolved": 0, "near_misses": 0},
        "checks": checks, "thresholds": [{"expression": "p99_ms < 400", "observed": 231.4, "passed": True}],
        "drain_s": sale.drained_s, "name": "rush", "run_dir": "runs/rush/x",
        "rate": {"configured_per_s": sale.rate_per_s, "steady_per_s": 49.8, "max_1s": 52, "flatness": 1.04},
        "shaving": {"requests_max_per_s": 1200, "commits_max_per_s": 52, "factor": 23.1, "lock_waits_max": 0},
        "load": {"offered_per_s": 25000, "achieved_per_s": 5400, "fire_spread_ms": 39.6, "schedule_lag_p99_ms": 39.2, "generator_cpu": 0.71},
        "latency_ms": {"won": {"p50": 60, "p99": 80, "p999": 82, "max": 83}},
        "doubts": [{"text": "The generator and the shop shared 2 cores.", "remedy": "Give the generator a machine of its own."}],
        "fairness": {"kendall_tau": 0.38, "worst_inversion": 96},
        "mutants": [],
    }  # fmt: skip


SALES: dict[str, Sale] = {
    "valid": Sale(),
    "oversold": Sale(extra_rows=26, unanswered=4, state="INVALID"),
    "leaky": Sale(lost=3, leaked=2, state="INVALID", faults=True),
    "unknown": Sale(unanswered=5, state="UNKNOWN"),
    "incomplete": Sale(state=None),
    "hostile": Sale(
        extra_rows=2,
        unanswered=3,
        state="INVALID",
        witness=EVIL,
        error=EVIL,
        faults=True,
        fault="<b>kill</b> $x$",
        repeated="<i>odd</i>",
    ),
}


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """Makes a run directory: ``make_run("valid")``, or ``make_run("valid", stock=10)``."""

    def make(sale: str = "valid", **changed: Any) -> Path:
        return write_run(tmp_path / "run", replace(SALES[sale], **changed))

    return make


@pytest.fixture(scope="session")
def report_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The report of one of SALES, built once for all who only look at it."""

    @cache
    def built(sale: str) -> Path:
        return build(write_run(tmp_path_factory.mktemp(sale) / "run", SALES[sale]))

    return built


def write_matrix(directory: Path, axes: dict[str, list[object]], *cells: dict[str, Any], repeat: int = 1) -> Path:
    """The directory of a matrix: ``write_matrix(path, {"scheme": ["a", "b"]}, {"at": ("a",), "sale": "valid"})``.

    Beside `at`, the values of the axes, and `sale`, what its run directory is made of (none without), each cell has fields of
    matrix.json.
    """
    directory.mkdir()
    entries = [_entry(directory, n, axes, cell) for n, cell in enumerate(cells, start=1)]
    whole = {"schema_version": 1, "name": "oversell", "seed": 1, "repeat": repeat, "axes": axes, "cells": entries}
    (directory / "matrix.json").write_text(json.dumps(whole), encoding="utf-8")
    return directory


@pytest.fixture
def make_matrix(tmp_path: Path) -> Callable[..., Path]:
    """See `write_matrix`."""
    return partial(write_matrix, tmp_path / "matrix")


def _entry(directory: Path, place: int, axes: dict[str, list[object]], cell: dict[str, Any]) -> dict[str, Any]:
    sale = cell.get("sale")
    sale = SALES[sale] if isinstance(sale, str) else sale
    run_dir = f"cells/{place:02d}" if sale is not None else None
    if sale is not None and run_dir is not None:
        write_run(directory / run_dir, sale)
        (directory / run_dir / "report.html").write_text("a report", encoding="utf-8")
    entry = {
        "axes": dict(zip(axes, cell["at"], strict=True)), "repeat": 1, "run_dir": run_dir, "expected": "valid", "met": None,
        "verdict": sale.state if sale is not None else None, "failed_checks": [], "sentence": None, "exit_code": None,
        "counts": {}, "headline": {}, "skipped": None, "error": None,
    }  # fmt: skip
    return entry | {key: value for key, value in cell.items() if key not in ("at", "sale")}


@pytest.fixture
def open_page(browser: Any) -> Iterator[Callable[..., tuple[Any, list[str]]]]:
    """Opens a page at a width and in a colour scheme; gives the page and what its console said."""
    contexts = []

    def open_(file: Path, width: int, scheme: str) -> tuple[Any, list[str]]:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        page, said = context.new_page(), []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on(
            "request", lambda request: None if request.url.startswith(("file:", "data:")) else said.append(request.url)
        )
        page.goto(file.as_uri())
        return page, said

    yield open_
    for context in contexts:
        context.close()
