"""What is done for one sale while the next one starts: one at a time, never beside buyers, and never lost."""

from pathlib import Path
from threading import Event
from typing import Any, cast

import pytest

from loadtest.campaign.meanwhile import Undisturbed, meanwhile
from loadtest.sale.load_process import Load


class Buyers:
    """Says when they came."""

    def __init__(self, said: list[str]) -> None:
        self.said = said

    def begin(self) -> None:
        self.said.append("buyers")

    def end(self) -> None: ...

    def exit_code(self) -> int | None:
        return 0

    def log_tail(self) -> str:
        return "log"


def test_it_goes_on_while_the_next_sale_starts_and_ends_before_its_buyers_come() -> None:
    said: list[str] = []
    started, may_end = Event(), Event()

    def draw(path: Path) -> None:
        started.set()
        assert may_end.wait(10)
        said.append(f"drew {path}")

    with meanwhile(draw) as done:
        done(Path("first"))
        assert started.wait(10)
        said.append("shop")
        load = done.before(lambda *_: cast("Load", Buyers(said)))(*[cast("Any", None)] * 4)
        may_end.set()
        load.begin()
        assert (load.exit_code(), load.log_tail()) == (0, "log")
    assert said == ["shop", "drew first", "buyers"]


def test_one_at_a_time_and_none_is_left_out() -> None:
    drawn: list[Path] = []
    with meanwhile(drawn.append) as done:
        for name in "abc":
            done(Path(name))
    assert drawn == [Path("a"), Path("b"), Path("c")]


def test_what_it_raises_is_raised_where_it_is_waited_for() -> None:
    def fail(_: Path) -> None:
        raise ValueError("no ink")

    with pytest.raises(ValueError, match="no ink"), meanwhile(fail) as done:
        done(Path("a"))


def test_buyers_who_need_not_wait_begin_at_once() -> None:
    said: list[str] = []
    Undisturbed(Buyers(said), lambda: None).begin()
    assert said == ["buyers"]
