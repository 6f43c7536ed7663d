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
from loadtest.history import Outcome
from loadtest.load import recorder as module
from loadtest.load.recorder import (
    BATCH,
    CHUNK_BYTES,
    POPULATE_WRITE,
    Answer,
    Recorder,
    completion_lines,
    tag,
)

BUY = tag("b-000001", "buy")


def told(
    op: int, end_ns: int, outcome: Outcome, number: str | None, status: int | None, error: str | None = None
) -> Answer:
    """An answer, as it is recorded."""
    return Answer(outcome, number, error, op, end_ns, status)


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    return tmp_path / "g0.jsonl"


def lines(shard: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in shard.read_bytes().splitlines()]


def test_the_two_lines_of_an_operation(shard: Path) -> None:
    recorder = Recorder(shard)
    op = recorder.intent(BUY, 1_000, 1_001)
    recorder.completion(told(op, 2_000, "won", "sale-000001", 202, None))
    recorder.close()
    assert shard.read_text().splitlines() == [
        '{"op":1,"b":"b-000001","k":"buy","s":1000,"t":1001}',
        '{"o":"won","n":"sale-000001","op":1,"e":2000,"h":202}',
    ]


def test_the_intent_is_in_the_file_before_anything_else_happens(shard: Path) -> None:
    recorder = Recorder(shard)
    recorder.intent(BUY, 1_000, 1_001)
    assert shard.read_bytes().rstrip(b"\0") == b'{"op":1,"b":"b-000001","k":"buy","s":1000,"t":1001}\n'


def test_completions_are_written_without_a_flush_with_every_so_many_intents(shard: Path) -> None:
    recorder = Recorder(shard)
    for _ in range(BATCH):
        assert shard.read_bytes().count(b'"o":') == 0
        op = recorder.intent(BUY, 1, 1)
        recorder.completion(told(op, 1, "sold_out", None, 410, None))
    recorder.intent(BUY, 1, 1)
    # The last completion came after the last of these intents.
    assert shard.read_bytes().count(b'"o":"sold_out"') == BATCH - 1


def test_flush_writes_what_waits(shard: Path) -> None:
    recorder = Recorder(shard)
    recorder.completion(told(1, 2, "sold_out", None, 410, None))
    recorder.flush()
    assert b'"o":"sold_out"' in shard.read_bytes()


@given(st.text())
def test_any_name_of_a_buyer_can_be_a_form(buyer: str) -> None:
    assert json.loads(tag(buyer, "status") % (1, 2, 3)) == {"op": 1, "b": buyer, "k": "status", "s": 2, "t": 3}


def test_several_completions_are_a_line_each() -> None:
    completions = [
        told(1, 10, "won", "50%d", 202, None),
        told(2, 20, "unknown", None, None, "%s\n"),
    ]
    assert completion_lines(completions).decode().splitlines() == [
        '{"o":"won","n":"50%d","op":1,"e":10,"h":202}',
        '{"o":"unknown","x":"%s\\n","op":2,"e":20}',
    ]
    assert completion_lines([]) == b""


@pytest.mark.alone
def test_no_page_is_faulted_in_while_buyers_send(shard: Path) -> None:
    recorder = Recorder(shard)
    try:
        mmap.mmap(-1, mmap.PAGESIZE).madvise(POPULATE_WRITE)
    except OSError:
        pytest.skip("this kernel populates nothing beforehand")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for number in range(20_000):
        recorder.intent(BUY, number, number)
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    assert len(shard.read_bytes().rstrip(b"\0")) > 200 * mmap.PAGESIZE
    assert faults < 50


@given(st.text(), st.text())
def test_text_from_outside_comes_back_as_it_was(number: str, error: str) -> None:
    line = completion_lines([told(1, 2, "unknown", number, None, error)])
    assert line.count(b"\n") == 1
    assert json.loads(line) == {"op": 1, "e": 2, "o": "unknown", "n": number, "x": error}


def test_half_a_character_spoils_no_batch() -> None:
    good, half = told(1, 2, "won", "sale-1", 202, None), told(2, 3, "won", "sale-\ud800", 202, None)
    assert [json.loads(line)["n"] for line in completion_lines([good, half]).splitlines()] == ["sale-1", "sale-?"]


def test_lines_go_on_past_a_chunk(shard: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK_BYTES", 4096)
    recorder = Recorder(shard)
    for number in range(1_000):
        op = recorder.intent(BUY, number, number)
        recorder.completion(told(op, number, "won", f"sale-{number}", 202, None))
    assert len(shard.read_bytes()) - len(shard.read_bytes().rstrip(b"\0")) < 4096
    recorder.close()
    written = lines(shard)
    assert [line["op"] for line in written if "k" in line] == list(range(1, 1_001))
    assert [line["n"] for line in written if "o" in line] == [f"sale-{number}" for number in range(1_000)]


def test_closing_cuts_the_file_to_its_lines_and_ends_the_recording(shard: Path) -> None:
    recorder = Recorder(shard)
    assert shard.stat().st_size == CHUNK_BYTES
    recorder.intent(BUY, 1, 1)
    recorder.close()
    recorder.close()
    assert shard.read_bytes().endswith(b"}\n")
    with pytest.raises(HarnessError, match="after the history was closed"):
        recorder.intent(BUY, 1, 1)


def test_an_existing_shard_is_continued_with_other_op_numbers(shard: Path) -> None:
    shard.write_bytes(b'{"op":1,"b":"b-1","k":"buy","s":1,"t":1}\n{"op":2,"b":"b-2","k":"buy","s"' + b"\0" * 99)
    recorder = Recorder(shard)
    assert recorder.intent(BUY, 1, 1) == 2
    recorder.close()
    assert [line["op"] for line in lines(shard)] == [1, 2]


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
from loadtest.load.recorder import Recorder, tag
recorder = Recorder(Path(sys.argv[1]))
for number in range(1, 10_001):
    recorder.intent(tag(f"b-{number:06d}", "buy"), number, number)
os.kill(os.getpid(), 9)
"""


def test_every_intent_survives_a_kill_of_its_process(shard: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(shard)], check=False)
    assert done.returncode == -signal.SIGKILL
    content = shard.read_bytes()
    assert content.endswith(b"\0")
    whole = content.rstrip(b"\0")
    assert whole.endswith(b"\n")
    assert [json.loads(line)["op"] for line in whole.splitlines()] == list(range(1, 10_001))
