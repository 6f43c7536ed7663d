from pathlib import Path

from loadtest.record.tail import Tail


def test_each_line_comes_once_and_a_torn_one_when_it_is_whole(tmp_path: Path) -> None:
    tail = Tail(tmp_path)
    shard = tmp_path / "g0.jsonl"
    shard.write_text('{"v":1}\n{"v"', encoding="utf-8")
    assert list(tail.lines()) == [("g0", {"v": 1})]
    assert list(tail.lines()) == []
    with shard.open("a", encoding="utf-8") as more:
        more.write(':2}\n{"v":3}\n')
    (tmp_path / "g1.jsonl").write_text('{"v":4}\n', encoding="utf-8")
    assert list(tail.lines()) == [("g0", {"v": 2}), ("g0", {"v": 3}), ("g1", {"v": 4})]
