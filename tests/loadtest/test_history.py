"""History: shards joined, killed writers tolerated, everything else an error that names its line."""

import json

import duckdb
import pytest

from loadtest.history import load_history
from loadtest.shards import ShardError, find_shards

INTENT = {"op": 1, "b": "b-1", "k": "buy", "s": 100, "t": 110}
COMPLETION = {"op": 1, "e": 200, "o": "won", "n": "s-1", "h": 202, "x": None}


def shard(run_dir, *lines, name="g1", end=b"\n"):
    (run_dir / "history").mkdir(exist_ok=True)
    text = b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
    (run_dir / "history" / f"{name}.jsonl").write_bytes(text + end)
    return run_dir


def joined(run_dir):
    path = str(load_history(run_dir))
    return duckdb.sql(f"SELECT op_id, generator, outcome, number, error, end_ns FROM '{path}'").fetchall()


def test_an_intent_and_its_completion_are_one_operation(tmp_path):
    load_history(shard(tmp_path, INTENT, COMPLETION))
    row = duckdb.sql(f"FROM '{tmp_path}/history.parquet'")
    assert {
        "op_id": 1, "generator": "g1", "buyer": "b-1", "kind": "buy", "scheduled_ns": 100, "start_ns": 110, "end_ns": 200,
        "outcome": "won", "number": "s-1", "http_status": 202, "error": None,
    } == dict(zip(row.columns, row.fetchall()[0], strict=True))  # fmt: skip


def test_columns_have_the_types_of_the_contract(tmp_path):
    load_history(shard(tmp_path, INTENT))
    types = [str(kind) for kind in duckdb.sql(f"FROM '{tmp_path}/history.parquet'").types]
    texts = ["VARCHAR"]
    assert ["BIGINT", *texts * 3, *["BIGINT"] * 3, *texts * 2, "INTEGER", *texts] == types


def test_an_intent_without_a_completion_is_unknown(tmp_path):
    assert [(1, "g1", "unknown", None, "no completion recorded", None)] == joined(shard(tmp_path, INTENT))


def test_two_generators_may_use_the_same_op_id(tmp_path):
    shard(tmp_path, INTENT, COMPLETION)
    shard(tmp_path, INTENT, name="g2")
    assert {(1, "g1", "won"), (1, "g2", "unknown")} == {row[:3] for row in joined(tmp_path)}


def test_operations_come_in_the_order_they_were_sent(tmp_path):
    shard(tmp_path, *({**INTENT, "op": op, "t": 1000 - op} for op in range(20)))
    assert list(range(19, -1, -1)) == [row[0] for row in joined(tmp_path)]


@pytest.mark.parametrize("left", [1, 4096, 3_000_000])
def test_trailing_nuls_of_a_killed_generator_are_left_out(tmp_path, left):
    shard(tmp_path, INTENT, COMPLETION, end=b"\n" + b"\0" * left)
    assert ["won"] == [row[2] for row in joined(tmp_path)]
    assert [(left, False)] == [(s.nul_bytes, s.torn_line) for s in find_shards(tmp_path / "history")]


@pytest.mark.parametrize(
    "torn", [b'{"op":1,"e":2', b'{"op":1,"e":200,"o":"won","n":"s-1","h":202,"x":null', b"{", b'{"op":1\0\0,"e":2}\n']
)
@pytest.mark.parametrize("nuls", [b"", b"\0" * 100])
def test_a_torn_last_line_is_left_out(tmp_path, torn, nuls):
    shard(tmp_path, INTENT, torn, end=nuls)
    assert ["unknown"] == [row[2] for row in joined(tmp_path)]
    assert find_shards(tmp_path / "history")[0].torn_line


def test_a_whole_last_line_without_its_newline_is_kept(tmp_path):
    shard(tmp_path, INTENT, COMPLETION, end=b"")
    assert ["won"] == [row[2] for row in joined(tmp_path)]


def test_a_shard_of_nothing_but_nuls_is_an_empty_one(tmp_path):
    shard(tmp_path, INTENT)
    shard(tmp_path, name="g2", end=b"\0" * 4096)
    assert 1 == len(joined(tmp_path))
    assert 0 == len(joined(shard(tmp_path, end=b"\0" * 4096)))


def test_the_shards_stay_as_they_were_found(tmp_path):
    shard(tmp_path, INTENT, b'{"op"', end=b"\0" * 100)
    before = (tmp_path / "history" / "g1.jsonl").read_bytes()
    load_history(tmp_path)
    assert before == (tmp_path / "history" / "g1.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b"garbage", "g1.jsonl line 2: not JSON: 'garbage'"),
        (b'{"op":1,"e":2', "g1.jsonl line 2: not JSON"),
        (b'{"op":1}\0\0', "g1.jsonl line 2: not JSON"),
        (b"17", "g1.jsonl line 2: not a JSON object"),
        ({"b": "b-1"}, "g1.jsonl line 2: no op"),
        ({**INTENT, "s": None}, "g1.jsonl line 2: 's' is not a whole number"),
        ({**INTENT, "t": "now"}, "g1.jsonl line 2: 't' is not a whole number"),
        ({**INTENT, "b": None}, "g1.jsonl line 2: 'b' is not text"),
        ({**INTENT, "k": "steal"}, "g1.jsonl line 2: no such kind as 'steal'"),
        ({**COMPLETION, "o": "sold"}, "g1.jsonl line 2: no such outcome as 'sold'"),
        ({**COMPLETION, "o": None}, "g1.jsonl line 2: 'o' is not text"),
        (INTENT | COMPLETION, "g1.jsonl line 2: an intent and a completion in one"),
    ],
)
def test_a_wrong_line_in_the_middle_is_an_error_that_names_it(tmp_path, line, fault):
    shard(tmp_path, {**INTENT, "op": 7}, line, {**INTENT, "op": 8})
    with pytest.raises(ShardError) as caught:
        load_history(tmp_path)
    assert f"history does not parse: {fault}" in str(caught.value)
    assert not (tmp_path / "history.parquet").exists()


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ([COMPLETION], "op 1 has 0 intents and 1 completions"),
        ([INTENT, INTENT], "op 1 has 2 intents and 0 completions"),
        ([INTENT, COMPLETION, COMPLETION], "op 1 has 1 intents and 2 completions"),
    ],
)
def test_lines_that_do_not_pair_are_an_error(tmp_path, lines, fault):
    with pytest.raises(ShardError, match=f"g1.jsonl: {fault}"):
        load_history(shard(tmp_path, *lines))


def test_a_completion_in_another_generators_shard_does_not_pair(tmp_path):
    shard(tmp_path, INTENT)
    with pytest.raises(ShardError, match=r"g2\.jsonl: op 1 has 0 intents"):
        load_history(shard(tmp_path, COMPLETION, name="g2"))


def test_no_shard_at_all_is_an_error(tmp_path):
    with pytest.raises(ShardError, match="expected a shard for each generator, found none"):
        load_history(tmp_path)


def test_a_directory_with_a_quote_in_its_name(tmp_path):
    run_dir = tmp_path / "it's"
    run_dir.mkdir()
    assert load_history(shard(run_dir, INTENT)).exists()
