import json
from pathlib import Path
from typing import Any

from loadtest.load.buyers.first_answers import LOOKS, MARGIN, FirstAnswers, note
from loadtest.load.http.answers import Response
from loadtest.talk.reading import Reading

BUY = ("buy", "POST /buy")
SOLD_OUT = Reading("sold_out", rule=1)


def lines(kept: FirstAnswers, path: Path) -> list[dict[str, Any]]:
    kept.close()
    kept.close()
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_the_first_three_bodies_of_a_kind_stand_for_all(tmp_path: Path) -> None:
    path = tmp_path / "answers" / "g0.jsonl"
    kept = FirstAnswers(path)
    for n in range(10):
        note(kept.to(*BUY), Response(410, b"no. %d" % n), SOLD_OUT, list)
    note(kept.to(*BUY), Response(422, b"?"), Reading("unknown", None, "HTTP 422, no rule"), list)
    known = {"kind": "buy", "request": "POST /buy"}
    assert lines(kept, path) == [
        {**known, "status": 410, "outcome": "sold_out", "rule": 1, "body": "no. 0", "n": 8},
        {**known, "status": 410, "outcome": "sold_out", "rule": 1, "body": "no. 1", "n": 1},
        {**known, "status": 410, "outcome": "sold_out", "rule": 1, "body": "no. 2", "n": 1},
        {**known, "status": 422, "outcome": "unknown", "rule": None, "body": "?", "n": 1},
    ]


def test_equal_bodies_are_one_and_after_a_while_nobody_looks(tmp_path: Path) -> None:
    kept = FirstAnswers(tmp_path / "g0.jsonl")
    asked: list[int] = []
    for n in range(LOOKS + 100):
        body = b"same" if n < LOOKS else b"never seen"
        note(kept.to(*BUY), Response(410, body), SOLD_OUT, lambda: asked.append(1) or [])
    assert [("same", LOOKS + 100)] == [(line["body"], line["n"]) for line in lines(kept, tmp_path / "g0.jsonl")]
    assert asked == [1], "secrets are looked up for what is kept only"


def test_no_secret_and_no_more_than_two_thousand_characters(tmp_path: Path) -> None:
    kept = FirstAnswers(tmp_path / "g0.jsonl")
    body = b'{"id": "sesame-1", "token": "abc", "path": "seen-4711", "text": "' + b"x" * 2 * MARGIN
    note(kept.to(*BUY), Response(202, body), Reading("won", captured={"path": "seen-4711"}), lambda: ["sesame-1"])
    [line] = lines(kept, tmp_path / "g0.jsonl")
    assert line["body"].startswith('{"id": "…", "token": "…", "path": "…", "text": "xxx')
    assert len(line["body"]) == 2_000


def test_a_body_that_is_no_text(tmp_path: Path) -> None:
    kept = FirstAnswers(tmp_path / "g0.jsonl")
    note(kept.to(*BUY), Response(200, b"\xff\x00\n"), SOLD_OUT, list)
    assert ["\ufffd\x00\n"] == [line["body"] for line in lines(kept, tmp_path / "g0.jsonl")]
