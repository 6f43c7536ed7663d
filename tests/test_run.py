"""Whole sales on real services, judged."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner

from loadtest.cli.main import main

# A shell that lets fewer files be open than there are buyers, as those of many desktops do.
FEW_FILES = ("sh", "-c", 'ulimit -Sn 256; exec "$@"', "sh")
# Held to no rate, a sale needs no quiet machine.
UNLIMITED = ("--set", "limiter.kind=none")
# At a rate at which a slow machine has time left.
SMALL = (
    "--set", "stock=60", "--set", "buyers=300", "--set", "limiter.rate_per_s=20",
    "--set", "arrivals.poll_s=0.2", "--set", "drain.settle_s=0.1",
)  # fmt: skip


def run(out: Path, *arguments: str) -> tuple[int, str, Path]:
    """Exit code, what was printed, and the run directory. No report is drawn where `arguments` do not ask for one."""
    done = subprocess.run(
        [*FEW_FILES, sys.executable, "-m", "loadtest", "run", "--no-report", *arguments, "--out", str(out)],
        capture_output=True, text=True, timeout=180, check=False, cwd=out, encoding="utf-8",
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr, (out / "latest").resolve()


def verify(run_dir: Path) -> tuple[int, dict[str, Any]]:
    done = CliRunner().invoke(main, ["verify", "--no-report", str(run_dir)])
    return done.exit_code, json.loads((run_dir / "verdict.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def sold(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, str, Path]:
    """One small sale, held once for the tests that only look at it."""
    return run(tmp_path_factory.mktemp("runs"), *SMALL, "--report")


@pytest.mark.alone
def test_a_small_rush_is_valid(sold: tuple[int, str, Path]) -> None:
    code, text, run_dir = sold
    verdict = json.loads((run_dir / "verdict.json").read_text(encoding="utf-8"))
    assert code == 0, text
    assert "VALID" in text
    assert verdict["verdict"] == "VALID"
    assert verdict["counts"] == dict.fromkeys(verdict["counts"], 0) | {"stock": 60, "promised": 60, "sold": 60}
    sampled = duckdb.sql(
        f"SELECT min(t) FROM read_json('{run_dir}/samples/sampler.jsonl') WHERE p = 'broker'"
    ).fetchall()
    assert sampled[0][0] < duckdb.sql(f"SELECT t0_ns FROM '{run_dir}/sale.parquet'").fetchall()[0][0]
    for name in (
        "report.html",
        "junit.xml",
        "summary.md",
        "history.parquet",
        "samples.parquet",
        "environment.json",
        "locust/locust.html",
    ):
        assert (run_dir / name).stat().st_size > 0, name


@pytest.mark.alone
def test_the_history_holds_every_buyer_once(sold: tuple[int, str, Path]) -> None:
    _, _, run_dir = sold
    buys = duckdb.sql(
        f"SELECT count(*), count(DISTINCT buyer), min(start_ns >= scheduled_ns) FROM '{run_dir}/history.parquet' WHERE kind = 'buy'"
    )
    assert buys.fetchall() == [(300, 300, True)]
    assert duckdb.sql(f"SELECT planned, redelivery_s FROM '{run_dir}/sale.parquet'").fetchall() == [(300, 18.0)]


@pytest.mark.alone
def test_the_sale_says_when_the_rows_were_read_and_by_which_clock(sold: tuple[int, str, Path]) -> None:
    _, _, run_dir = sold
    ((hz, read_ns, offset_ns, uncertainty_ns, first_ns, last_ns, t0_ns),) = duckdb.sql(f"""
        SELECT sampler_hz, read_ns, db_offset_ns, db_uncertainty_ns, min(created_ns), max(created_ns), t0_ns
        FROM '{run_dir}/sale.parquet', '{run_dir}/final/orders.parquet' GROUP BY ALL""").fetchall()
    assert hz == 10
    assert abs(offset_ns) <= uncertainty_ns + 1_000_000  # the same machine's clock
    assert t0_ns < first_ns <= last_ns < read_ns


@pytest.mark.alone
def test_every_probe_was_read_ten_times_a_second(sold: tuple[int, str, Path]) -> None:
    _, _, run_dir = sold
    rates = duckdb.sql(f"""
        SELECT probe || '.' || metric, count(*) / ((max(time_ns) - min(time_ns)) / 1e9) FROM '{run_dir}/samples.parquet'
        WHERE metric IN ('write_xids', 'tokens', 'ready') GROUP BY ALL""").fetchall()
    assert {name for name, _ in rates} == {"postgres.write_xids", "redis.tokens", "broker.ready"}
    for name, rate in rates:
        assert rate > 7, name


@pytest.mark.alone
def test_no_password_is_in_the_run_directory(sold: tuple[int, str, Path]) -> None:
    _, _, run_dir = sold
    for path in run_dir.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert b"postgresql://postgres:" not in content.replace(b"postgresql://postgres:***", b""), path
            assert b"redis://:" not in content.replace(b"redis://:**@", b""), path


@pytest.mark.alone
def test_verifying_again_gives_the_same_verdict(sold: tuple[int, str, Path]) -> None:
    _, _, run_dir = sold
    before = json.loads((run_dir / "verdict.json").read_text(encoding="utf-8"))
    assert verify(run_dir) == (0, before)


@pytest.mark.alone
def test_a_final_read_taken_away_is_unknown_with_its_remedy(sold: tuple[int, str, Path]) -> None:
    _, _, run_dir = sold
    rows = run_dir / "final" / "orders.parquet"
    rows.rename(rows.with_suffix(".away"))
    try:
        code, verdict = verify(run_dir)
    finally:
        rows.with_suffix(".away").rename(rows)
    assert (code, verdict["verdict"]) == (3, "UNKNOWN")
    assert any("orders" in doubt["text"] and doubt["remedy"] for doubt in verdict["doubts"])


def test_the_naive_shop_oversells_and_is_caught(tmp_path: Path) -> None:
    code, text, run_dir = run(tmp_path, *SMALL, *UNLIMITED, "--set", "scheme=naive", "--set", "dispatch=inline")
    verdict = json.loads((run_dir / "verdict.json").read_text(encoding="utf-8"))
    assert (code, verdict["verdict"]) == (1, "INVALID"), text
    oversell = next(check for check in verdict["checks"] if check["name"] == "oversell")
    assert oversell["verdict"] == "INVALID"
    assert oversell["witnesses"]
    assert verdict["counts"]["oversold"] > 0


def test_too_few_buyers_prove_nothing(tmp_path: Path) -> None:
    code, text, run_dir = run(tmp_path, *SMALL, *UNLIMITED, "--set", "buyers=100")
    assert code == 3, text
    doubts = json.loads((run_dir / "verdict.json").read_text(encoding="utf-8"))["doubts"]
    assert any("buyers" in doubt["remedy"] for doubt in doubts)


def test_a_breached_threshold_is_exit_4(tmp_path: Path) -> None:
    code, text, run_dir = run(tmp_path, *SMALL, *UNLIMITED, "--set", 'thresholds=["drain_s < 0.001", "oversold <= 0"]')
    assert code == 4, text
    assert [t["passed"] for t in json.loads((run_dir / "verdict.json").read_text(encoding="utf-8"))["thresholds"]] == [
        False,
        True,
    ]


def test_two_runs_at_once_do_not_meet(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with ThreadPoolExecutor(2) as both:
        codes = [code for code, _, _ in both.map(lambda name: run(tmp_path / name, *SMALL, *UNLIMITED), ["a", "b"])]
    assert codes == [0, 0]
