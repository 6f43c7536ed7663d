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


@given(
    st.lists(st.tuples(st.sampled_from([5.0, 10.0, 20.0]), st.floats(0.1, 1.5)), min_size=2, max_size=5),
    st.lists(st.tuples(st.floats(0, 1.5), st.floats(0, 1)), min_size=1, max_size=200),
)  # fmt: skip
def test_no_second_holds_more_rows_than_the_highest_limit_about_it_however_it_is_changed(
    spans: list[tuple[float, float]], orders: list[tuple[float, float]]
) -> None:
    clock, burst, felt = Clock(), 2, None
    rows: list[float] = []
    limits: list[tuple[float, float]] = []
    waiting = iter(orders)
    for rate, length_s in [*spans, (spans[-1][0], 60.0)]:
        pace = Gcra(rate, burst, clock)
        if felt is None:
            felt = Felt(pace.most, clock.runs, clock)
        felt.change(pace.most, [])
        limits.append((clock.now, pace.most))
        until_s = clock.now + length_s
        while clock.now < until_s:
            while felt.has_room() and pace.take() and (order := next(waiting, None)):
                lasts_s, part = order
                clock.running[len(rows)] = clock.now + lasts_s
                felt.begin([len(rows)])
                rows.append(clock.now + part * lasts_s)
            clock.now += 0.02
    rows.sort()
    for n, began_s in enumerate(rows):
        about = [most for (from_s, most), (to_s, _) in zip(limits, [*limits[1:], (1e9, 0.0)], strict=True)
                 if from_s <= began_s + 1 and to_s > began_s - 1]  # fmt: skip
        assert sum(row < began_s + 1 for row in rows[n:]) <= max(about)


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
