import json
from pathlib import Path

import pytest

from loadtest.record.promises import Promises, read_promises


def line(buyer: str, outcome: str, number: str | None = None, kind: str = "buy") -> str:
    answer = {"o": outcome, "n": number, "h": 200}
    return json.dumps({"b": buyer, "k": kind, "s": 1, "t": 2, "e": 3, "a": answer}, separators=(",", ":")) + "\n"


def begun(buyer: str, kind: str = "buy") -> str:
    return json.dumps({"b": buyer, "k": kind}, separators=(",", ":")) + "\n"


def told(tmp_path: Path, *lines: str, tail: bytes = b"") -> Promises:
    (tmp_path / "g1.jsonl").write_bytes("".join(lines[::2]).encode())
    (tmp_path / "g2.jsonl").write_bytes("".join(lines[1::2]).encode() + tail)
    return read_promises(tmp_path)


def test_a_number_that_a_buyer_was_told_twice_is_one_promise(tmp_path: Path) -> None:
    found = told(tmp_path, begun("b-1"), line("b-1", "won", "s-1"), line("b-1", "already_bought", "s-1", "retry"))
    assert found == Promises(frozenset({("s-1", "b-1")}))


def test_wins_without_a_number_are_counted_for_each_buyer(tmp_path: Path) -> None:
    found = told(
        tmp_path, line("b-1", "won"), line("b-1", "won"), line("b-2", "already_bought"), line("b-3", "sold_out")
    )
    assert found == Promises(unnumbered=(("b-1", 2),))


def test_what_a_poll_said_was_rejected_is_no_promise_any_more(tmp_path: Path) -> None:
    found = told(
        tmp_path, line("b-1", "won", "s-1"), line("b-1", "rejected", "s-1", "status"), line("b-2", "won", "s-1")
    )
    assert found == Promises(frozenset({("s-1", "b-2")}))


def test_a_killed_generator_s_shard_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    found = told(
        tmp_path, begun("b-1"), line("b-1", "won", "s-1"), tail=line("b-2", "won", "s-2")[:-9].encode() + bytes(4096)
    )
    assert found == Promises(frozenset({("s-1", "b-1")}))


def test_no_history_no_promise(tmp_path: Path) -> None:
    assert read_promises(tmp_path / "nothing") == Promises()


def test_who_is_accepted_is_promised_nothing_until_a_poll_confirms_it(tmp_path: Path) -> None:
    found = told(
        tmp_path,
        line("b-1", "accepted", "task-1"), line("b-2", "accepted"), line("b-3", "accepted"), line("b-4", "accepted"),
        line("b-2", "pending", kind="status"), line("b-3", "confirmed", "41", "status"), line("b-4", "confirmed", kind="status"),
    )  # fmt: skip
    assert found == Promises(frozenset({("41", "b-3")}), (("b-4", 1),))


def test_the_number_that_a_poll_first_tells_is_no_second_promise(tmp_path: Path) -> None:
    found = told(tmp_path, line("b-1", "won", "task-1"), line("b-1", "confirmed", "41", "status"))
    assert found == Promises(frozenset({("task-1", "b-1")}))
    found = told(tmp_path, line("b-1", "won"), line("b-1", "already_bought", "41", "retry"))
    assert found == Promises(frozenset({("41", "b-1")}))


def test_a_rejection_without_a_number_takes_back_a_win_without_one(tmp_path: Path) -> None:
    found = told(tmp_path, line("b-1", "won"), line("b-2", "won"), line("b-1", "rejected", kind="status"))
    assert found == Promises(unnumbered=(("b-2", 1),))


WITHOUT_BUYERS = Promises(frozenset({("task-1", "b-1"), ("task-2", "b-2")}), (("b-3", 1),))


@pytest.mark.parametrize(
    ("rows", "kept"),
    [
        ([("41", None), ("42", None)], False),
        ([("41", None), ("42", None), ("43", None)], True),
        ([], False),
        ([("task-1", None), ("42", None), ("43", None)], False),
    ],
)
def test_rows_without_buyers_are_counted_unless_their_numbers_are_those_of_answers(
    rows: list[tuple[str, None]], kept: bool
) -> None:
    assert WITHOUT_BUYERS.kept(rows, []) is kept


def test_numbers_that_are_rows_need_no_buyers() -> None:
    assert Promises(frozenset({("41", "b-1")})).kept([("41", None)], [])
