from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from reports.data import Missing, open_run
from reports.run.build import build
from reports.run.figures import FIGURES

MakeRun = Callable[..., Path]
AS_MYSQL = """SELECT * REPLACE (CASE probe WHEN 'postgres' THEN 'mysql' ELSE probe END AS probe,
    CASE metric WHEN 'wal_bytes' THEN 'log_bytes' ELSE metric END AS metric)"""


def rewrite(run: Path, select: str, where: str = "true") -> None:
    """The samples of `run`, made anew."""
    file = run / "samples.parquet"
    duckdb.sql(f"CREATE OR REPLACE TABLE made AS {select} FROM '{file}' WHERE {where}")
    duckdb.sql(f"COPY (SELECT time_ns, probe, metric, value FROM made) TO '{file}' (FORMAT parquet)")


def test_mysql_is_drawn_where_postgres_is(make_run: MakeRun) -> None:
    run = make_run("valid")
    rewrite(run, AS_MYSQL)
    with open_run(run) as data:
        chart = FIGURES["database"](data)
        assert {"active", "waiting for a lock", "log"} == {row[1] for row in chart.table.rows}
        assert "threads active" in chart.caption
        assert "CPU" not in chart.caption, "that of a Postgres which the shop does not use"
        assert "commits" in FIGURES["commits"](data).caption
    assert "redo log, kB/s" in build(run).read_text(encoding="utf-8")


def test_a_database_that_no_probe_reads_is_told_of(make_run: MakeRun) -> None:
    run = make_run("valid")
    rewrite(run, "SELECT *", "probe <> 'postgres'")
    with open_run(run) as data, pytest.raises(Missing, match="only Postgres and MySQL have one"):
        FIGURES["database"](data)
    assert "no probe has read the database: only Postgres and MySQL have one" in build(run).read_text(encoding="utf-8")
