"""A shard grows here, and its copy there, over a channel that drops and repeats."""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import gevent
import pytest

from loadtest.load.buyers.recorder import Answer, Ended, Recorder, begun
from loadtest.load.crew import shipping
from loadtest.load.crew.shipping import Copy, Growing, Shipper

BUY = begun("b-000001", "buy")


class Channel:
    """From a shipper to a copy. `fate` says of each message how often it arrives."""

    def __init__(self, copy: Copy) -> None:
        self.copy = copy
        self.shipper: Shipper | None = None
        self.sizes: list[int] = []
        self.fate = lambda: 1

    def send_message(self, _kind: str, data: dict[str, Any]) -> None:
        self.sizes.append(len(data["lines"]))
        for _ in range(self.fate()):
            received = self.copy.take(data["at"], data["lines"])
            if self.shipper and self.fate():
                self.shipper.acknowledged(data["kind"], received)


@pytest.fixture
def channel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Channel]:
    monkeypatch.setattr(shipping, "STEP_S", 0.002)
    monkeypatch.setattr(shipping, "AGAIN_S", 0.02)
    monkeypatch.setattr(shipping, "PIECE_BYTES", 1000)
    copy = Copy(tmp_path / "there.jsonl")
    yield Channel(copy)
    copy.close()


def record(recorder: Recorder, orders: int) -> None:
    for turn in range(orders):
        recorder.write(BUY)
        recorder.ended.append(Ended("b-000001", "buy", turn, turn, turn, Answer("won", f"sale-{turn:06d}", None, 202)))


def shipped(channel: Channel, here: Path) -> Shipper:
    channel.shipper = Shipper(channel, {"history": here})
    return channel.shipper


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_all_arrives_in_order_and_once_however_the_messages_fare(channel: Channel, tmp_path: Path, seed: int) -> None:
    draw = Random(seed)
    channel.fate = lambda: draw.choice([0, 1, 1, 2])
    here = tmp_path / "here.jsonl"
    shipper = shipped(channel, here)
    recorder = Recorder(here)
    for _ in range(5):
        record(recorder, 40)
        gevent.sleep(0.005)
    recorder.close()
    assert shipper.finish(timeout_s=5)
    assert (tmp_path / "there.jsonl").read_bytes() == here.read_bytes()


def test_while_it_grows_the_copy_has_whole_lines_and_no_more(channel: Channel, tmp_path: Path) -> None:
    here = tmp_path / "here.jsonl"
    shipped(channel, here)
    recorder = Recorder(here)
    record(recorder, 3)
    gevent.sleep(0.02)
    there = (tmp_path / "there.jsonl").read_bytes()
    assert there.count(b"\n") == 3  # what was begun; what ended waits in the recorder
    assert there.endswith(b"}\n")
    assert here.stat().st_size > 1000 * len(there)  # mapped ahead
    recorder.close()


def test_pieces_are_bounded_and_so_is_what_is_under_way(channel: Channel, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(shipping, "WINDOW_BYTES", 5000)
    monkeypatch.setattr(shipping, "AGAIN_S", 60)
    channel.fate = lambda: 0
    here = tmp_path / "here.jsonl"
    recorder = Recorder(here)
    recorder.close()
    shipped(channel, here)
    here.write_bytes(b'{"op":1}\n' * 5000)
    gevent.sleep(0.1)
    assert max(channel.sizes) <= 1000
    assert 5000 <= sum(channel.sizes) < 6000


def test_who_hears_nothing_gives_up_and_says_so(channel: Channel, tmp_path: Path) -> None:
    channel.fate = lambda: 0
    here = tmp_path / "here.jsonl"
    shipper = shipped(channel, here)
    here.write_bytes(b'{"op":1}\n')
    assert not shipper.finish(timeout_s=0.1)


def test_a_second_sale_ships_only_its_own(tmp_path: Path) -> None:
    here = tmp_path / "here.jsonl"
    here.write_bytes(b'{"op":1}\n')
    growing = Growing(here)
    with here.open("ab") as file:
        file.write(b'{"op":2}\n{"op":')
    assert growing.piece() == b'{"op":2}\n'


def test_a_gap_is_never_written(tmp_path: Path) -> None:
    copy = Copy(tmp_path / "there.jsonl")
    assert copy.take(0, b"one\n") == 4
    assert copy.take(8, b"three\n") == 4
    assert copy.take(0, b"one\ntwo\n") == 8
    assert copy.take(4, b"two\n") == 8
    assert (tmp_path / "there.jsonl").read_bytes() == b"one\ntwo\n"
