"""Where a run directory lies changes nothing: DuckDB takes a path for a pattern, and a folder ``key=value`` for a column."""

import re
from pathlib import Path

import pytest

from loadtest.campaign.forgeries import FORGERIES
from loadtest.judge.verdict import conclude
from reports.data import open_run

FOLDERS = (
    "per_buyer=2", "stock=100", "outcome=sold_out", "created_ns=0", "kind=status", "v=1", "time_s=5",
    "run*", "ru?", "r[ua]n", "r[u", "it's", 'a "run"', "a;b", "{a,b}", "**",
)  # fmt: skip
READS = re.compile(r"read_(parquet|json|ndjson|csv)\w*\s*\(|FROM\s+'|parquet_scan")
ROOT = Path(__file__).parents[3]


def decoy(fair, where):
    """Another sale, in a folder that the pattern of a path may match."""
    (where / "run" / "x").mkdir(parents=True)
    fair(stock=1, buyers=2).row("s-1", "b-1").write(where / "run" / "x")


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_sale_is_the_same_wherever_its_run_directory_lies(fair, tmp_path, folder):
    decoy(fair, tmp_path)
    run_dir = tmp_path / folder / "x"
    run_dir.mkdir(parents=True)
    told = (
        fair().due(0, 0, 0, 0, 0, 0).fault("kill worker", observed=0.001, recovered=1).sample("broker", "ready", 1, 0)
    )
    verdict = conclude(told.write(run_dir))
    assert ("VALID", 3, 3) == (verdict.verdict, verdict.counts.sold, verdict.counts.stock), verdict.doubts
    with open_run(run_dir) as run:
        assert [(3, 3, 1)] == run.rows(
            "SELECT (SELECT stock FROM sale), (SELECT count(*) FROM asks WHERE outcome = 'won'), (SELECT max(per_buyer) FROM sale)"
        )
        assert {} == dict(run.missing)


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_wrong_sale_is_wrong_wherever_its_run_directory_lies(fair, tmp_path, folder):
    decoy(fair, tmp_path)
    run_dir = tmp_path / folder / "x"
    run_dir.mkdir(parents=True)
    told = fair().sells("b-1", "s-9").seeded("s-9").with_sale(stock=4)
    verdict = conclude(told.write(run_dir))
    assert ["per_buyer"] == [check.name for check in verdict.checks if check.verdict == "INVALID"]


@pytest.mark.parametrize("folder", ["per_buyer=2", "r[ua]n*"])
def test_a_forgery_is_made_wherever_its_run_directory_lies(fair, tmp_path, folder):
    good, forged = tmp_path / folder / "x", tmp_path / folder / "forged"
    good.mkdir(parents=True)
    conclude(fair().write(good))
    FORGERIES[0].make(good, forged)
    assert "INVALID" == conclude(forged).verdict


def test_every_read_of_a_file_goes_through_the_functions_that_know_this():
    here = {"loadtest/record/database.py", "reports/data.py"}
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for part in ("loadtest", "reports", "scenarios", "target", "benchmarks", "docs")
        for path in sorted((ROOT / part).rglob("*.py"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if READS.search(line) and not (str(path.relative_to(ROOT)) in here and "OWN_COLUMNS" in line)
    ]
    assert [] == found
