import json
import mmap
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.errors import HarnessError
from loadtest.load.buyers import recorder as module
from loadtest.load.buyers.recorder import CHUNK_BYTES, POPULATE_WRITE, Answer, Ended, Recorder, begun, ended_lines
from loadtest.record.history import Outcome
from tests.needs import need

BEGUN = begun("b-000001", "buy")


def ended(
    outcome: Outcome = "won", number: str | None = None, error: str | None = None, buyer: str = "b-000001"
) -> Ended:
    """An operation, as it is recorded."""
    return Ended(buyer, "buy", 1_000, 1_001, 2_000, Answer(outcome, number, error))


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    return tmp_path / "g0.jsonl"


def lines(shard: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in shard.read_bytes().splitlines()]


def test_the_two_lines_of_an_operation(shard: Path) -> None:
    recorder = Recorder(shard)
    recorder.write(BEGUN)
    recorder.ended.append(Ended("b-000001", "buy", 1_000, 1_001, 2_000, Answer("won", "sale-000001", None, 202)))
    recorder.close()
    assert shard.read_text(encoding="utf-8").splitlines() == [
        '{"b":"b-000001","k":"buy"}',
        '{"b":"b-000001","k":"buy","s":1000,"t":1001,"e":2000,"a":{"o":"won","n":"sale-000001","h":202}}',
    ]


def test_what_is_begun_is_in_the_file_before_anything_else_happens(shard: Path) -> None:
    recorder = Recorder(shard)
    recorder.write(BEGUN)
    assert shard.read_bytes().rstrip(b"\0") == BEGUN


def test_flush_writes_what_waits_once(shard: Path) -> None:
    recorder = Recorder(shard)
    recorder.ended.append(ended("sold_out"))
    assert b"sold_out" not in shard.read_bytes()
    recorder.flush()
    recorder.flush()
    assert shard.read_bytes().count(b'"o":"sold_out"') == 1


@given(st.text())
def test_any_name_of_a_buyer_can_begin_and_end(buyer: str) -> None:
    line = begun(buyer, "status")
    assert line.count(b"\n") == 1
    assert json.loads(line) == {"b": buyer, "k": "status"}
    assert json.loads(ended_lines([ended(buyer=buyer)]))["b"] == buyer


def test_what_ended_is_a_line_each() -> None:
    operations = [
        Ended("b-1", "buy", 1, 2, 10, Answer("won", "50%d", None, 202)),
        Ended("b-2", "retry", 3, 4, 20, Answer("unknown", None, "%s\n")),
    ]
    assert ended_lines(operations).decode().splitlines() == [
        '{"b":"b-1","k":"buy","s":1,"t":2,"e":10,"a":{"o":"won","n":"50%d","h":202}}',
        '{"b":"b-2","k":"retry","s":3,"t":4,"e":20,"a":{"o":"unknown","x":"%s\\n"}}',
    ]
    assert ended_lines([]) == b""


@pytest.mark.alone
def test_no_page_is_faulted_in_while_buyers_send(shard: Path) -> None:
    recorder = Recorder(shard)
    try:
        mmap.mmap(-1, mmap.PAGESIZE).madvise(POPULATE_WRITE)
        populates = True
    except OSError:
        populates = False
    need(populates, "a kernel that populates memory beforehand", "Linux 5.14 or newer", installable=False)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(40_000):
        recorder.write(BEGUN)
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    assert len(shard.read_bytes().rstrip(b"\0")) > 200 * mmap.PAGESIZE
    assert faults < 50


@given(st.text(), st.text())
def test_text_from_outside_comes_back_as_it_was(number: str, error: str) -> None:
    line = ended_lines([ended("unknown", number, error)])
    assert line.count(b"\n") == 1
    assert json.loads(line)["a"] == {"o": "unknown", "n": number, "x": error}


def test_half_a_character_spoils_no_batch() -> None:
    good, half = ended(number="sale-1"), ended(number="sale-\ud800", buyer="b-\udfff")
    lines = [json.loads(line) for line in ended_lines([good, half]).splitlines()]
    assert [line["a"]["n"] for line in lines] == ["sale-1", "sale-?"]
    assert (
        [line["b"] for line in lines] == ["b-000001", json.loads(begun("b-\udfff", "buy"))["b"]] == ["b-000001", "b-?"]
    )


def test_lines_go_on_past_a_chunk(shard: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK_BYTES", 4096)
    recorder = Recorder(shard)
    for number in range(1_000):
        line = begun(f"b-{number}", "buy")
        try:
            recorder.write(line)
        except ValueError:
            recorder.write_further(line)
        recorder.ended.append(ended(number=f"sale-{number}"))
        if len(recorder.ended) == 10:
            recorder.flush()
    assert len(shard.read_bytes()) - len(shard.read_bytes().rstrip(b"\0")) < 4096
    recorder.close()
    written = lines(shard)
    assert [line["b"] for line in written if "a" not in line] == [f"b-{number}" for number in range(1_000)]
    assert [line["a"]["n"] for line in written if "a" in line] == [f"sale-{number}" for number in range(1_000)]


def test_closing_cuts_the_file_to_its_lines_and_ends_the_recording(shard: Path) -> None:
    recorder = Recorder(shard)
    assert shard.stat().st_size == CHUNK_BYTES
    recorder.write(BEGUN)
    recorder.close()
    recorder.close()
    assert shard.read_bytes() == BEGUN
    with pytest.raises(ValueError, match="closed"):
        recorder.write(BEGUN)
    with pytest.raises(HarnessError, match="after the history was closed"):
        recorder.write_further(BEGUN)


def test_an_existing_shard_is_continued_after_its_last_whole_line(shard: Path) -> None:
    shard.write_bytes(b'{"b":"b-1","k":"buy"}\n{"b":"b-2","k"' + b"\0" * 99)
    recorder = Recorder(shard)
    recorder.write(BEGUN)
    recorder.close()
    assert [line["b"] for line in lines(shard)] == ["b-1", "b-000001"]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="nowhere"):
        Recorder(tmp_path / "nowhere" / "g0.jsonl")


def test_a_full_disk_is_an_error_and_no_crash(shard: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(HarnessError, match="no room for the history: No space left on device; free some disk"):
        Recorder(shard)


KILLED = """
import os, sys
from pathlib import Path
from loadtest.load.buyers.recorder import Recorder, begun
recorder = Recorder(Path(sys.argv[1]))
for number in range(1, 10_001):
    recorder.write(begun(f"b-{number:06d}", "buy"))
os.kill(os.getpid(), 9)
"""


def test_all_that_was_begun_survives_a_kill_of_its_process(shard: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(shard)], check=False)
    assert done.returncode == -signal.SIGKILL
    content = shard.read_bytes()
    assert content.endswith(b"\0")
    whole = content.rstrip(b"\0")
    assert whole.endswith(b"\n")
    assert [json.loads(line)["b"] for line in whole.splitlines()] == [f"b-{number:06d}" for number in range(1, 10_001)]
