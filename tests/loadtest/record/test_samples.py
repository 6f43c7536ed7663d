"""Samples: merged in order of time, killed writers tolerated."""

import duckdb
import pytest

from loadtest.record.samples import load_samples
from loadtest.record.shards import ShardError


def write(run_dir, name, text):
    (run_dir / "samples").mkdir(exist_ok=True)
    (run_dir / "samples" / f"{name}.jsonl").write_bytes(text)
    return run_dir


def merged(run_dir):
    return duckdb.sql(f"FROM '{load_samples(run_dir)}'").fetchall()


def test_writers_are_merged_in_order_of_time(tmp_path):
    write(tmp_path, "a", b'{"t":3,"p":"redis","m":"tokens","v":7}\n')
    write(tmp_path, "b", b'{"t":1,"p":"broker","m":"ready","v":2.5}\n')
    assert [(1, "broker", "ready", 2.5), (3, "redis", "tokens", 7.0)] == merged(tmp_path)


def test_what_a_killed_sampler_leaves_is_left_out(tmp_path):
    write(tmp_path, "a", b'{"t":1,"p":"redis","m":"tokens","v":7}\n{"t":2,"p":"re\0\0\0')
    assert [(1, "redis", "tokens", 7.0)] == merged(tmp_path)


def test_a_reading_without_a_value_is_a_gap(tmp_path):
    assert [] == merged(write(tmp_path, "a", b'{"t":1,"p":"redis","m":"tokens","v":null}\n'))


def test_no_shards_are_no_rows(tmp_path):
    assert [] == merged(tmp_path)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b"x", "not JSON"),
        (b'{"t":1,"p":"a"}', "'p' and 'm' are not both text"),
        (b'{"p":"a","m":"b"}', "'t' is not a whole number"),
    ],
)
def test_any_other_line_is_an_error_that_names_it(tmp_path, line, fault):
    write(tmp_path, "a", line + b'\n{"t":1,"p":"redis","m":"tokens","v":7}\n')
    with pytest.raises(ShardError, match=f"samples does not parse: a.jsonl line 1: {fault}"):
        load_samples(tmp_path)
