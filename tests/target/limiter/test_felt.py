"""No second holds more rows than the limit and its burst, whatever becomes of the orders."""

from hypothesis import given
from hypothesis import strategies as st

from target.limiter.felt import SOON_S, Felt
from target.limiter.pace import Gcra
from tests.target.limiter.test_consumer import Clock, most_in


@given(
    st.sampled_from([0.5, 5.0, 10.0, 20.0]), st.integers(1, 10),
    st.lists(st.tuples(st.floats(0, 5), st.floats(0, 0.5), st.floats(0, 1)), min_size=1, max_size=120),
)  # fmt: skip
def test_no_second_holds_more_rows_than_that_however_long_orders_take(
    rate: float, burst: int, steps: list[tuple[float, float, float]]
) -> None:
    clock = Clock()
    pace = Gcra(rate, burst, clock)
    felt, rows = Felt(pace.most, clock.runs, clock), []
    for pause, lasts_s, part in steps:
        clock.now += pause / rate
        while felt.has_room() and pace.take():
            clock.running[len(rows)] = clock.now + lasts_s
            felt.begin([len(rows)])
            rows.append(clock.now + part * lasts_s)
    assert most_in(sorted(rows), 1.0) <= rate + burst


def test_of_many_that_are_to_start_together_so_many_may_as_a_second_may_hold() -> None:
    clock = Clock()
    felt = Felt(3.5, clock.runs, clock)
    assert felt.has_room(50)
    felt.begin(["r0"])
    assert not felt.has_room(50)
    assert felt.when() == clock.now + 1
    clock.now += 1
    assert felt.has_room(50)


def test_while_all_that_there_is_room_for_run_it_is_asked_again_soon() -> None:
    clock = Clock()
    felt = Felt(2, clock.runs, clock)
    clock.running = dict.fromkeys(["r0", "r1"], clock.now + 60)
    felt.begin(["r0", "r1"])
    assert not felt.has_room()
    assert felt.when() == clock.now + SOON_S
