from pathlib import Path

import duckdb
import pytest

from loadtest.errors import UsageError
from loadtest.record.run_dir import create, existing, write_parquet
from loadtest.record.whole import write_text


def test_two_runs_of_one_second_have_a_directory_each(tmp_path: Path) -> None:
    first, second = create(tmp_path, "rush", 1), create(tmp_path, "rush", 1)
    assert first.path != second.path
    assert (tmp_path / "latest").resolve() == second.path.resolve()


def test_a_place_that_cannot_be_written_is_the_users_mistake(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot write there"):
        create(tmp_path / "file", "rush", 1)


def test_a_directory_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"expected a run directory"):
        existing(tmp_path)


def test_a_matrix_is_no_run_and_its_runs_are_named(tmp_path: Path) -> None:
    (tmp_path / "cells/01-naive").mkdir(parents=True)
    for name in ("experiment.toml", "matrix.json"):
        (tmp_path / name).touch()
    with pytest.raises(UsageError, match=r"is a matrix of runs; give one of them, such as .*/cells/01-naive$"):
        existing(tmp_path)


def test_parquet_keeps_types_nulls_and_strange_text(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    write_parquet(path, {"a": "VARCHAR", "n": "BIGINT"}, [("<b>\"'\n😀", 2**60), (None, None)])
    assert duckdb.sql(f"FROM '{path}'").fetchall() == [("<b>\"'\n😀", 2**60), (None, None)]


def test_an_empty_set_is_a_file_and_a_failed_read_is_none(tmp_path: Path) -> None:
    write_parquet(tmp_path / "empty.parquet", {"a": "VARCHAR"}, [])
    assert duckdb.sql(f"FROM '{tmp_path}/empty.parquet'").fetchall() == []

    def breaks_off():  # type: ignore[no-untyped-def]
        yield ("a",)
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        write_parquet(tmp_path / "half.parquet", {"a": "VARCHAR"}, breaks_off())
    assert [path.name for path in tmp_path.iterdir()] == ["empty.parquet"]


def test_a_text_is_replaced_whole(tmp_path: Path) -> None:
    write_text(tmp_path / "v.json", "old")
    write_text(tmp_path / "v.json", "new")
    assert (tmp_path / "v.json").read_text(encoding="utf-8") == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["v.json"]
