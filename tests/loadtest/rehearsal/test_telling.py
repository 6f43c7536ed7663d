"""What a rehearsal prints: a line a step, and under a wrong one the answer, capped and without secrets, and what to do."""

import io

import pytest
from rich.console import Console

from loadtest.rehearsal.telling import MOST_LINES, Telling
from loadtest.rehearsal.visitor import Talk
from loadtest.talk.heard import Response


def telling(**settings: object) -> Telling:
    return Telling(Console(file=io.StringIO(), width=100, markup=False, emoji=False, highlight=False, **settings))  # type: ignore[arg-type]


def text(told: Telling) -> str:
    return told.console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def answer(body: bytes, *headers: tuple[bytes, bytes], status: int = 422) -> Talk:
    return Talk("POST /buy", "POST /buy?token=geheim123", Response(status, body, headers), secrets=("geheim123",))


def test_a_step_is_a_line() -> None:
    told = telling()
    told.good("POST /buy", "200 → won", '{"id": 1}')
    assert text(told).splitlines() == ["  ✓ POST /buy" + " " * 39 + '200 → won   {"id": 1}']


def test_under_a_wrong_one_are_what_was_sent_the_answer_and_the_remedy() -> None:
    told = telling()
    told.wrong(
        "POST /buy",
        "422, no rule",
        "mend it",
        answer(b'{"why": "geheim123"}', (b"content-type", b"application/json"), (b"date", b"today")),
    )
    lines = [line.strip() for line in text(told).splitlines()]
    assert lines[1:] == [
        "sent     POST /buy?token=…",
        "answer   HTTP 422",
        "content-type: application/json",
        '{"why": "…"}',
        "do       mend it",
    ]
    assert (told.wrong_lines, told.remedies) == (1, ["mend it"])


def test_a_long_answer_is_cut_and_an_empty_one_is_told() -> None:
    told = telling()
    told.wrong("GET /", "500", "x", answer(b"line\n" * 5_000))
    assert text(told).count("line") == MOST_LINES
    assert "… (25,000 characters)" in text(told)
    told = telling()
    told.odd("GET /", "204", "x", answer(b""))
    assert "(an empty body)" in text(told)
    assert told.wrong_lines == 0


@pytest.mark.parametrize("body", [b"\xff\xfe\x00", "ünïcode".encode(), b"[bold]x[/bold] :smile:"])
def test_whatever_a_shop_answers_is_shown_as_it_is(body: bytes) -> None:
    told = telling()
    told.wrong("GET /", "200", "x", answer(body))
    assert body.decode(errors="replace").strip() in text(told)


def test_colours_only_in_a_terminal_that_wants_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    for settings, coloured in (
        ({}, False),
        ({"force_terminal": True, "color_system": "standard"}, True),
        ({"force_terminal": True, "no_color": True}, False),
    ):
        told = telling(**settings)
        told.good("a", "b")
        assert ("\x1b[32m" in text(told)) is coloured
