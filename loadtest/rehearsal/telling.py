"""What a rehearsal tells: a line a step, green, yellow, red or grey; under it, where it matters, the whole answer and what to do."""

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from textwrap import wrap

from rich.console import Console
from rich.text import Text

from loadtest.rehearsal.visitor import Talk
from loadtest.talk.masking import masked

GOOD, ODD, WRONG, GREY = "✓", "!", "✗", "–"
STYLES = {GOOD: "green", ODD: "yellow", WRONG: "red", GREY: "bright_black"}
# Of an answer that surprised.
MOST_LINES = 20
MOST_CHARACTERS = 2_000
INDENT = 6
WHAT = 46
TELLING_HEADERS = (b"content-type", b"location", b"www-authenticate", b"retry-after", b"allow", b"set-cookie")
WIDE = 160  # where nobody looks at it in a terminal


@dataclass
class Telling:
    """Prints, and keeps count. `remedies` are those of the lines that were wrong, in order."""

    console: Console
    wrong_lines: int = 0
    odd_lines: int = 0
    lines: int = 0
    remedies: list[str] = field(default_factory=list)

    @property
    def width(self) -> int:
        """Columns of a line."""
        return self.console.width if self.console.is_terminal else WIDE

    def section(self, title: str, aside: str = "") -> None:
        """The head of what follows."""
        self.console.print()
        self.console.print(
            Text.assemble((title, "bold"), (f"  {aside}" if aside else "", "bright_black")), soft_wrap=True
        )

    def good(self, what: str, said: str = "", tail: str = "") -> None:
        """As it should be."""
        self._line(GOOD, what, said, tail)

    def grey(self, what: str, said: str = "") -> None:
        """Not looked at, and why."""
        self._line(GREY, what, said, "")

    def odd(self, what: str, said: str, remedy: str = "", talk: Talk | None = None) -> None:
        """Perhaps meant so, perhaps the shop's own mistake: for the user to decide."""
        self.odd_lines += 1
        self._line(ODD, what, said, "")
        self._below(talk, remedy)

    def wrong(self, what: str, said: str, remedy: str, talk: Talk | None = None, detail: Sequence[str] = ()) -> None:
        """A sale with this manifest would prove nothing."""
        self.wrong_lines += 1
        self.remedies.append(remedy)
        self._line(WRONG, what, said, "")
        for line in detail:
            self._print(line, "bright_black")
        self._below(talk, remedy)

    def detail(self, text: str) -> None:
        """A line below, as wide as it is."""
        self._print(text, "bright_black")

    def _line(self, mark: str, what: str, said: str, tail: str) -> None:
        self.lines += 1
        line = Text(f"  {mark} ", style=STYLES[mark])
        line.append(f"{what:<{WHAT}}  " if said else what, style="bright_black" if mark == GREY else "default")
        line.append(said, style=STYLES[mark] if mark != GOOD else "default")
        room = self.width - line.cell_len - 3
        if tail and room > 12:
            line.append(f"   {tail if len(tail) <= room else tail[: room - 1] + '…'}", style="bright_black")
        self.console.print(line, soft_wrap=True)

    def _below(self, talk: Talk | None, remedy: str) -> None:
        if talk:
            for label, text in _whole(talk):
                self._labelled(label, text, "bright_black")
        if remedy:
            self._labelled("do", remedy, "default")

    def _labelled(self, label: str, text: str, style: str) -> None:
        room = max(40, self.width - INDENT - 9)
        for n, line in enumerate(
            piece for each in text.split("\n") for piece in (wrap(each, room, break_on_hyphens=False) or [""])
        ):
            self._print(f"{label if n == 0 else '':<9}{line}", style)

    def _print(self, text: str, style: str) -> None:
        self.console.print(Text(" " * INDENT + text, style=style), soft_wrap=True)


def _whole(talk: Talk) -> list[tuple[str, str]]:
    """The request as it left, and the answer, both without secrets, and the answer as far as one wants to read it."""
    parts = [("sent", masked(talk.sent, talk.secrets))] if talk.sent else []
    if talk.response is None:
        return parts
    headers = [
        f"{name.decode()}: {value.decode('latin-1')}"
        for name, value in talk.response.headers
        if name in TELLING_HEADERS
    ]
    answer = masked("\n".join([f"HTTP {talk.response.status}", *headers]), talk.secrets)
    return [*parts, ("answer", f"{answer}\n{_body(talk.body)}")]


def _body(text: str) -> str:
    if not text.strip():
        return "(an empty body)"
    with contextlib.suppress(ValueError):
        text = json.dumps(json.loads(text), ensure_ascii=False) if len(text) <= MOST_CHARACTERS else text
    lines = text[:MOST_CHARACTERS].strip().splitlines()
    cut = len(text) > MOST_CHARACTERS or len(lines) > MOST_LINES
    return "\n".join(lines[:MOST_LINES]) + (f"\n… ({len(text):,} characters)" if cut else "")


def beginning(talk: Talk) -> str:
    """How an answer begins, in one line."""
    return " ".join(talk.body.split())
