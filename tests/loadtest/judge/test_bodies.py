"""Bodies: the first of each kind of answer, of all generators together."""

import json
from pathlib import Path

from loadtest.judge.bodies import EACH, MOST, FirstAnswer, read_answers
from loadtest.judge.verdict import conclude


def line(body: str = "no", n: int = 1, status: int | None = 422, **more: object) -> dict[str, object]:
    return {
        "kind": "buy",
        "request": "POST /buy",
        "status": status,
        "outcome": "unknown",
        "rule": None,
        "body": body,
        "n": n,
    } | more


def written(folder: Path, **files: list[dict[str, object] | str]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, lines in files.items():
        text = "".join(f"{each if isinstance(each, str) else json.dumps(each)}\n" for each in lines)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
    return folder


def test_one_kind_of_several_generators(tmp_path: Path) -> None:
    folder = written(tmp_path / "answers", g0=[line(n=3)], g1=[line(n=4), line("yes", status=200, n=1, rule=0)])
    assert (
        FirstAnswer("buy", "POST /buy", 422, "unknown", None, "no", 7),
        FirstAnswer("buy", "POST /buy", 200, "unknown", 0, "yes", 1),
    ) == read_answers(folder)


def test_a_few_bodies_of_each_kind_and_their_numbers_add_up(tmp_path: Path) -> None:
    found = read_answers(written(tmp_path / "answers", g0=[line(f"{n}") for n in range(9)]))
    assert (["0", "1", "2"], 9) == ([each.body for each in found], sum(each.n for each in found))
    assert EACH == len(found)


def test_no_more_than_are_worth_reading_and_no_longer(tmp_path: Path) -> None:
    found = read_answers(written(tmp_path / "answers", g0=[line("x" * 9000, status=n) for n in range(200, 400)]))
    assert (MOST, 2000) == (len(found), len(found[0].body))


def test_lines_that_do_not_parse_are_passed_over(tmp_path: Path) -> None:
    odd: list[dict[str, object] | str] = [
        "",
        "[]",
        "{",
        '{"kind": "buy"}',
        "null",
        line(n=2),
        line(status=None),
        '{"kind":"buy","requ',
    ]
    assert [2, 1] == [each.n for each in read_answers(written(tmp_path / "answers", g0=odd))]
    assert () == read_answers(tmp_path / "none")


def test_they_are_in_the_verdict(fair, tmp_path: Path):
    verdict = conclude(fair().answered(200, "won", '{"code": 0}', n=3, rule=0).write(tmp_path))
    (answer,) = json.loads((tmp_path / "verdict.json").read_text(encoding="utf-8"))["answers"]
    assert {
        "kind": "buy",
        "request": "POST /buy",
        "status": 200,
        "outcome": "won",
        "rule": 0,
        "body": '{"code": 0}',
        "n": 3,
    } == answer
    assert verdict.answers[0].body == '{"code": 0}'
