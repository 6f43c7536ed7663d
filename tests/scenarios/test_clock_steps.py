"""A wall clock that is stepped while a sale goes on: what is recorded stays where it was."""

import time

import pytest

from .conftest import Rush, Shop, free_port
from .test_rush import outcomes

# Before T0, and after it: T0 is announced some 0.3 s ahead.
MOMENTS = ("0.1", "0.6")
# Between this machine's clock and the anchor of the generator's.
ROOM_NS = 5_000_000


@pytest.mark.parametrize("after_s", MOMENTS)
@pytest.mark.parametrize("step_ms", [-400, 400, 3_600_000])
def test_what_is_recorded_of_an_order_holds_the_moment_at_which_the_shop_had_it(
    rush: Rush, shop: Shop, monkeypatch: pytest.MonkeyPatch, step_ms: int, after_s: str
) -> None:
    held(rush, shop, monkeypatch, step_ms, after_s)
    [t0] = rush.samples("t0")
    assert all(op["s"] == t0["t"] <= op["t"] for op in rush.ops("buy"))
    # The movement itself is recorded.
    assert abs(rush.samples("g0.wall_stepped_ms")[-1]["v"] - step_ms) < 50


def test_the_same_with_two_generators_by_the_clock_of_their_master(
    rush: Rush, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = str(free_port())
    held(rush, shop, monkeypatch, -400, "0.6", "--processes", "2", "--master-bind-port", port, "--master-port", port)


def held(rush: Rush, shop: Shop, monkeypatch: pytest.MonkeyPatch, step_ms: int, after_s: str, *options: str) -> None:
    """One sale, of which every recorded interval is where it was."""
    reached: dict[str, int] = {}

    def note(buyer: str) -> None:
        reached[buyer] = time.time_ns()
        time.sleep(0.5)  # so that orders are under way when the clock is stepped

    shop.answer = note
    rush.scenario = "tests/scenarios/stepped.py"
    rush.patient()
    monkeypatch.setenv("STEP_MS", str(step_ms))
    monkeypatch.setenv("STEP_AFTER_S", after_s)
    rush.run(20, shop.url, *options)
    buys = rush.ops("buy")
    assert outcomes(buys) == {"won": 5, "sold_out": 15}
    for op in buys:
        assert op["t"] - ROOM_NS <= reached[op["b"]] <= op["e"] - 0.5e9 + ROOM_NS
    for op in rush.ops("status"):
        assert op["s"] <= op["t"] <= op["e"]
