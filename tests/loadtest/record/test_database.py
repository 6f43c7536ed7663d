"""One engine, and databases that know nothing of each other."""

import os
from pathlib import Path

import duckdb
import pytest

from loadtest.record.database import database


def test_each_is_empty_and_its_own() -> None:
    with database() as one, database() as other:
        one.execute("CREATE TABLE t AS SELECT 1 AS x; CREATE MACRO m() AS 1; CREATE TEMP TABLE u AS SELECT 1 AS x")
        other.execute("CREATE TABLE t AS SELECT 2 AS x; CREATE MACRO m() AS 2")
        assert one.execute("SELECT x, m() FROM t").fetchall() == [(1, 1)]
        assert other.execute("SELECT x, m() FROM t").fetchall() == [(2, 2)]
        with pytest.raises(duckdb.CatalogException):
            other.execute("FROM u")
    with database() as another, pytest.raises(duckdb.CatalogException):
        another.execute("FROM t")


def test_one_that_failed_leaves_nothing_to_the_next() -> None:
    def fail() -> None:
        with database() as db:
            db.execute("BEGIN; CREATE TABLE t AS SELECT 1 AS x")
            db.execute("SELECT 'x'::INT")

    with pytest.raises(duckdb.ConversionException):
        fail()
    with database() as db:
        assert db.execute(
            "SELECT count(*) FROM duckdb_databases() WHERE database_name LIKE 'database_%'"
        ).fetchall() == [(1,)]


def test_a_file_that_was_written_anew_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    for value in (1, 2):
        with database() as db:
            db.execute(f"COPY (SELECT {value} AS x) TO '{path}' (FORMAT parquet)")
            os.utime(path, (0, 0))  # as of the same moment, and of the same length
            assert db.execute(f"FROM '{path}'").fetchall() == [(value,)]


@pytest.mark.parametrize("ordered", [True, False])
def test_rows_stay_in_order_where_that_is_asked_for(ordered: bool) -> None:
    with database(ordered=ordered) as db:
        assert db.execute("SELECT current_setting('preserve_insertion_order')").fetchall() == [(ordered,)]
