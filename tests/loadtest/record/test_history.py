"""History: shards joined, killed writers tolerated, everything else an error that names its line."""

import json

import duckdb
import pytest

from loadtest.record.history import load_history
from loadtest.record.shards import ShardError, find_shards

BEGUN = {"b": "b-1", "k": "buy"}
ENDED = {**BEGUN, "s": 100, "t": 110, "e": 200, "a": {"o": "won", "n": "s-1", "h": 202}}


def shard(run_dir, *lines, name="g1", end=b"\n"):
    (run_dir / "history").mkdir(exist_ok=True)
    text = b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
    (run_dir / "history" / f"{name}.jsonl").write_bytes(text + end)
    return run_dir


def joined(run_dir):
    path = str(load_history(run_dir))
    return duckdb.sql(f"SELECT op_id, generator, outcome, number, error, end_ns FROM '{path}'").fetchall()


def test_a_beginning_and_its_end_are_one_operation(tmp_path):
    load_history(shard(tmp_path, BEGUN, ENDED))
    row = duckdb.sql(f"FROM '{tmp_path}/history.parquet'")
    assert {
        "op_id": 1, "generator": "g1", "buyer": "b-1", "kind": "buy", "scheduled_ns": 100, "start_ns": 110, "end_ns": 200,
        "outcome": "won", "number": "s-1", "http_status": 202, "error": None,
    } == dict(zip(row.columns, row.fetchall()[0], strict=True))  # fmt: skip


def test_columns_have_the_types_of_the_contract(tmp_path):
    load_history(shard(tmp_path, BEGUN))
    types = [str(kind) for kind in duckdb.sql(f"FROM '{tmp_path}/history.parquet'").types]
    texts = ["VARCHAR"]
    assert ["BIGINT", *texts * 3, *["BIGINT"] * 3, *texts * 2, "INTEGER", *texts] == types


def test_what_did_not_end_is_unknown(tmp_path):
    assert [(1, "g1", "unknown", None, "no answer was recorded", None)] == joined(shard(tmp_path, BEGUN))


def test_each_beginning_has_one_end_at_most(tmp_path):
    shard(tmp_path, BEGUN, BEGUN, ENDED, {**BEGUN, "k": "status"}, {**BEGUN, "b": "b-2"})
    load_history(tmp_path)
    rows = duckdb.sql(f"SELECT op_id, buyer, kind, outcome, scheduled_ns, start_ns FROM '{tmp_path}/history.parquet'")
    assert rows.fetchall() == [
        (1, "b-1", "buy", "won", 100, 110),
        (2, "b-1", "buy", "unknown", None, None),
        (3, "b-1", "status", "unknown", None, None),
        (4, "b-2", "buy", "unknown", None, None),
    ]


def test_two_generators_may_use_the_same_op_id(tmp_path):
    shard(tmp_path, BEGUN, ENDED)
    shard(tmp_path, BEGUN, name="g2")
    assert {(1, "g1", "won"), (1, "g2", "unknown")} == {row[:3] for row in joined(tmp_path)}


def test_operations_come_in_the_order_they_were_sent(tmp_path):
    lines = [line for turn in range(20) for line in (BEGUN, {**ENDED, "t": 150 - turn, "e": 200 + turn})]
    load_history(shard(tmp_path, *lines))
    rows = duckdb.sql(f"SELECT op_id, end_ns FROM '{tmp_path}/history.parquet'").fetchall()
    assert rows == [(turn + 1, 219 - turn) for turn in range(20)]


@pytest.mark.parametrize("left", [1, 4096, 3_000_000])
def test_trailing_nuls_of_a_killed_generator_are_left_out(tmp_path, left):
    shard(tmp_path, BEGUN, ENDED, end=b"\n" + b"\0" * left)
    assert ["won"] == [row[2] for row in joined(tmp_path)]
    assert [(left, False)] == [(s.nul_bytes, s.torn_line) for s in find_shards(tmp_path / "history")]


@pytest.mark.parametrize(
    "torn",
    [
        b'{"b":"b-1","k":',
        b'{"b":"b-1","k":"buy","s":1,"t":2,"e":3,"a":{"o":"won"}',
        b"{",
        b'{"b":"b-1"\0\0,"k":"buy"}\n',
    ],
)
@pytest.mark.parametrize("nuls", [b"", b"\0" * 100])
def test_a_torn_last_line_is_left_out(tmp_path, torn, nuls):
    shard(tmp_path, BEGUN, torn, end=nuls)
    assert ["unknown"] == [row[2] for row in joined(tmp_path)]
    assert find_shards(tmp_path / "history")[0].torn_line


def test_a_whole_last_line_without_its_newline_is_kept(tmp_path):
    shard(tmp_path, BEGUN, ENDED, end=b"")
    assert ["won"] == [row[2] for row in joined(tmp_path)]


def test_a_shard_of_nothing_but_nuls_is_an_empty_one(tmp_path):
    shard(tmp_path, BEGUN)
    shard(tmp_path, name="g2", end=b"\0" * 4096)
    assert 1 == len(joined(tmp_path))
    assert 0 == len(joined(shard(tmp_path, end=b"\0" * 4096)))


def test_the_shards_stay_as_they_were_found(tmp_path):
    shard(tmp_path, BEGUN, b'{"b"', end=b"\0" * 100)
    before = (tmp_path / "history" / "g1.jsonl").read_bytes()
    load_history(tmp_path)
    assert before == (tmp_path / "history" / "g1.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b"garbage", "g1.jsonl line 2: not JSON: 'garbage'"),
        (b'{"b":"b-1","e":2', "g1.jsonl line 2: not JSON"),
        (b'{"b":"b-1"}\0\0', "g1.jsonl line 2: not JSON"),
        (b"17", "g1.jsonl line 2: not a JSON object"),
        ({"k": "buy"}, "g1.jsonl line 2: 'b' is not text"),
        ({**BEGUN, "b": None}, "g1.jsonl line 2: 'b' is not text"),
        ({"b": "b-1"}, "g1.jsonl line 2: 'k' is not text"),
        ({**BEGUN, "k": "steal"}, "g1.jsonl line 2: no such kind as 'steal'"),
        ({**BEGUN, "s": 1}, "g1.jsonl line 2: 't' is not a whole number"),
        ({**ENDED, "s": None}, "g1.jsonl line 2: 's' is not a whole number"),
        ({**ENDED, "t": "now"}, "g1.jsonl line 2: 't' is not a whole number"),
        ({**ENDED, "e": None}, "g1.jsonl line 2: 'e' is not a whole number"),
        ({**ENDED, "a": None}, "g1.jsonl line 2: 'a' is not an answer"),
        ({**ENDED, "a": {"o": "sold"}}, "g1.jsonl line 2: no such outcome as 'sold'"),
        ({**ENDED, "a": {}}, "g1.jsonl line 2: no such outcome as None"),
    ],
)
def test_a_wrong_line_in_the_middle_is_an_error_that_names_it(tmp_path, line, fault):
    shard(tmp_path, BEGUN, line, BEGUN)
    with pytest.raises(ShardError) as caught:
        load_history(tmp_path)
    assert f"history does not parse: {fault}" in str(caught.value)
    assert not (tmp_path / "history.parquet").exists()


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ([ENDED], "b-1 ended 1 × buy and began 0"),
        ([BEGUN, ENDED, {**ENDED, "t": 111}], "b-1 ended 2 × buy and began 1"),
        ([BEGUN, {**ENDED, "b": "b-2"}], "b-2 ended 1 × buy and began 0"),
        ([BEGUN, {**ENDED, "k": "retry"}], "b-1 ended 1 × retry and began 0"),
        ([BEGUN, BEGUN, ENDED, ENDED], "the buy of b-1 at 110 is there 2 times"),
    ],
)
def test_lines_that_do_not_pair_are_an_error(tmp_path, lines, fault):
    with pytest.raises(ShardError, match=f"g1.jsonl: {fault}"):
        load_history(shard(tmp_path, *lines))


def test_an_end_in_another_generators_shard_does_not_pair(tmp_path):
    shard(tmp_path, BEGUN)
    with pytest.raises(ShardError, match=r"g2\.jsonl: b-1 ended 1 × buy and began 0"):
        load_history(shard(tmp_path, ENDED, name="g2"))


def test_no_shard_at_all_is_an_error(tmp_path):
    with pytest.raises(ShardError, match="expected a shard for each generator, found none"):
        load_history(tmp_path)


def test_a_directory_with_a_quote_in_its_name(tmp_path):
    run_dir = tmp_path / "it's"
    run_dir.mkdir()
    assert load_history(shard(run_dir, BEGUN)).exists()
