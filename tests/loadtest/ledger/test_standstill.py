from collections.abc import Iterator, Sequence

import pytest

import loadtest.ledger.standstill
from loadtest.errors import RunInterrupted
from loadtest.ledger.queue import Depth
from loadtest.ledger.rows import Row
from loadtest.ledger.sources import Reader
from loadtest.ledger.standstill import Drain
from loadtest.manifest.final import Final, Source
from loadtest.record.promises import Promises

FINAL = Final(seeded=Source(pattern="s-{n}"), rows=Source(sql="SELECT 1"))


SETTLE_S = 0.01
NS = 10**9


class Clock:
    """A time that passes by sleeping alone."""

    def __init__(self) -> None:
        self.now_ns = 1_900_000_000 * NS
        self.begun_ns = self.now_ns

    def time_ns(self) -> int:
        return self.now_ns

    def sleep(self, seconds: float) -> None:
        self.now_ns += round(seconds * NS)

    def later(self, seconds: float) -> int:
        return self.now_ns + round(seconds * NS)

    @property
    def passed_s(self) -> float:
        return (self.now_ns - self.begun_ns) / NS


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(loadtest.ledger.standstill, "time", clock)
    return clock


class Scripted:
    """A queue and a table that give one scripted look after the other, then the last for ever. An exception is raised.

    With `holds` it is RabbitMQ: workers hold so many of them one after the other, None is not told, and the answer is `late_s` old.
    """

    def __init__(self, *looks: tuple[object, object], holds: Sequence[int | None] = (), late_s: float = 0.0) -> None:
        self.looks = list(looks)
        self.holds = list(holds)
        self.late_s = late_s
        self.taken = 0

    def count(self, source: Source | None) -> int:
        return self._give(0) if source else 0

    def held(self) -> int | None:
        return self.holds.pop(0) if len(self.holds) > 1 else self.holds[0]

    def depth(self) -> Depth:
        waiting = self._give(1)
        self.taken += 1
        return Depth(waiting, None if self.holds else 0)

    def _give(self, part: int) -> int:
        value = self.looks[min(self.taken, len(self.looks) - 1)][part]
        if isinstance(value, Exception):
            if part == 0:
                self.depth()
            raise value
        return value  # type: ignore[return-value]


def drain(script: Scripted) -> Drain:
    return Drain(script, script, FINAL, settle_s=SETTLE_S, stock=10)  # type: ignore[arg-type]


def test_it_ends_after_two_looks_that_saw_no_change(clock: Clock) -> None:
    script = Scripted((1, 5), (3, 2), (5, 0), (5, 0), (5, 0))
    assert drain(script).wait(clock.later(5), lambda: None).at_ns is not None
    assert script.taken == 5


def test_two_intervals_without_a_change_are_enough_and_no_third_is_waited_for(clock: Clock) -> None:
    drain(Scripted((5, 0))).wait(clock.later(5), lambda: None)
    assert clock.passed_s == pytest.approx(2 * SETTLE_S)


def test_an_empty_queue_with_growing_rows_is_not_drained(clock: Clock) -> None:
    script = Scripted((1, 0), (2, 0), (3, 0), (3, 0), (3, 0))
    drain(script).wait(clock.later(5), lambda: None)
    assert script.taken == 5


def test_a_service_that_is_away_has_not_drained(clock: Clock) -> None:
    gone = OSError("away")
    assert drain(Scripted((gone, 0))).wait(clock.later(0.05), lambda: None).at_ns is None


def test_the_deadline_ends_it(clock: Clock) -> None:
    assert drain(Scripted((1, 1))).wait(clock.later(0.02), lambda: None).at_ns is None


def test_a_wait_that_begins_past_the_deadline_sees_that_nothing_goes_on(clock: Clock) -> None:
    assert drain(Scripted((3, 0))).wait(clock.later(-1), lambda: None).at_ns is not None


def test_past_the_deadline_growing_rows_end_it(clock: Clock) -> None:
    script = Scripted((3, 0), (4, 0), (4, 0), (4, 0))
    assert drain(script).wait(clock.later(-1), lambda: None).at_ns is None


def test_what_workers_hold_is_waited_for(clock: Clock) -> None:
    script = Scripted((5, 0), holds=(3, 3, 1, 0))
    drain(script).wait(clock.later(5), lambda: None)
    assert script.taken == 5


def test_a_broker_that_tells_late_must_say_nothing_is_held_for_as_long(clock: Clock) -> None:
    assert drain(Scripted((5, 0), holds=(0,), late_s=0.2)).wait(clock.later(5), lambda: None).at_ns is not None
    assert 0.2 <= clock.passed_s <= 0.2 + 2 * SETTLE_S


def test_work_that_shows_up_late_begins_the_wait_anew(clock: Clock) -> None:
    script = Scripted((5, 0), holds=(0,) * 8 + (2,) * 5 + (0,), late_s=0.1)
    drain(script).wait(clock.later(5), lambda: None)
    assert script.holds == [0]
    held_until_s = 12 * SETTLE_S
    assert 0.1 <= clock.passed_s - held_until_s <= 0.1 + 2 * SETTLE_S


def test_once_every_unit_has_its_row_nobody_need_be_asked(clock: Clock) -> None:
    assert drain(Scripted((10, 0), holds=(None,), late_s=60)).wait(clock.later(5), lambda: None).at_ns is not None


def test_what_nobody_tells_is_not_drained(clock: Clock) -> None:
    assert drain(Scripted((9, 0), holds=(None,))).wait(clock.later(0.05), lambda: None).at_ns is None


def test_an_interruption_goes_through(clock: Clock) -> None:
    def interrupt() -> None:
        raise RunInterrupted("now")

    with pytest.raises(RunInterrupted):
        drain(Scripted((1, 1))).wait(clock.later(5), interrupt)


ROWS, REJECTED, CLAIMS = (Source(redis_hash=name) for name in ("rows", "rejected", "claims"))
WITH_ALL = Final(seeded=Source(pattern="s-{n}"), rows=ROWS, rejected=REJECTED, claims=CLAIMS)


class Shop:
    """Sets that change as time passes: each is a list of (from which second on, number, buyer), and a claim may end."""

    def __init__(self, clock: Clock, **sets: list[tuple[float, str, str]]) -> None:
        self.clock = clock
        self.sets = sets
        self.claims_end_s = 1e9

    def count(self, source: Source | None) -> int:
        return len(list(self.pairs(source)))

    def counts(self, *sources: Source | None) -> list[int]:
        return [self.count(source) for source in sources]

    def pairs(self, source: Source | None) -> Iterator[tuple[str, str]]:
        if source is None or (source == CLAIMS and self.clock.passed_s >= self.claims_end_s):
            return
        for at_s, number, buyer in self.sets.get(source.place, []):
            if self.clock.passed_s >= at_s:
                yield number, buyer

    def rows(self, source: Source) -> Iterator[Row]:
        return (Row(number, buyer) for number, buyer in self.pairs(source))

    def units(self, source: Source) -> int:
        return self.count(source)

    def left(self, source: Source) -> int:
        return self.count(source)


def waited(shop: Shop, told: Promises, deadline_s: float = 10, stock: int = 10) -> float:
    """Seconds until the drain of `shop`, which has no queue, believed that nothing moves any more."""
    reader: Reader = shop  # type: ignore[assignment]
    drained = Drain(reader, None, WITH_ALL, SETTLE_S, stock, lambda: told).wait(
        shop.clock.later(deadline_s), lambda: None
    )
    assert drained.at_ns is not None
    return shop.clock.passed_s


SOON_S = 5 * SETTLE_S
TWO = Promises(frozenset({("s-1", "b-1"), ("s-2", "b-2")}))


def test_an_order_that_is_in_no_queue_and_no_row_yet_is_waited_for(clock: Clock) -> None:
    shop = Shop(clock, rows=[(0, "s-1", "b-1"), (2.5, "s-2", "b-2")])
    assert 2.5 <= waited(shop, TWO) <= 2.5 + SOON_S


def test_a_win_without_a_number_is_waited_for(clock: Clock) -> None:
    shop = Shop(clock, rows=[(0, "7", "b-1"), (2.5, "8", "b-1")])
    assert 2.5 <= waited(shop, Promises(unnumbered=(("b-1", 2),))) <= 2.5 + SOON_S


def test_a_win_that_is_rejected_later_is_waited_for(clock: Clock) -> None:
    shop = Shop(clock, rows=[(0, "s-1", "b-1")], rejected=[(2.5, "s-2", "b-2")])
    assert 2.5 <= waited(shop, TWO) <= 2.5 + SOON_S


def test_rows_of_orders_without_an_answer_make_up_for_no_promise(clock: Clock) -> None:
    shop = Shop(clock, rows=[(0, "s-1", "b-1"), (0, "s-3", "b-3"), (0, "s-4", "b-4"), (2.5, "s-2", "b-2")])
    assert 2.5 <= waited(shop, TWO) <= 2.5 + SOON_S


def test_a_held_claim_that_is_given_back_is_waited_for(clock: Clock) -> None:
    shop = Shop(clock, rows=[(0, "s-1", "b-1"), (0, "s-2", "b-2")], claims=[(0, "s-2", "b-2"), (0, "s-3", "b-3")])
    shop.claims_end_s = 2.5
    assert 2.5 <= waited(shop, TWO) <= 2.5 + SOON_S


def test_an_order_that_is_lost_is_waited_for_until_the_deadline(clock: Clock) -> None:
    shop = Shop(clock, rows=[(0, "s-1", "b-1")])
    assert 10 < waited(shop, TWO) <= 10 + SOON_S


@pytest.mark.parametrize(
    "shop",
    [
        {"rows": [(0, "s-1", "b-1"), (0, "s-2", "b-2")], "claims": [(0, "s-1", "b-1"), (0, "s-2", "b-2")]},
        {"rows": [(0, "s-1", "b-1")], "rejected": [(0, "s-2", "b-2")], "claims": [(0, "s-2", "b-2")]},
        {"rows": [(0, "s-1", "b-1"), (0, "s-2", "b-9")]},
        {"rows": [(0, "id-31", "b-1"), (0, "id-32", "b-2")]},
    ],
)
def test_an_honest_sale_waits_no_longer(clock: Clock, shop: dict[str, list[tuple[float, str, str]]]) -> None:
    assert waited(Shop(clock, **shop), TWO) <= SOON_S


def test_once_every_unit_has_its_row_no_promise_is_read(clock: Clock) -> None:
    def unread() -> Promises:
        raise AssertionError("the history was read")

    reader: Reader = Shop(clock, rows=[(0, "s-1", "b-1")])  # type: ignore[assignment]
    assert Drain(reader, None, WITH_ALL, SETTLE_S, 1, unread).wait(clock.later(10), lambda: None).at_ns
    assert clock.passed_s <= SOON_S


def test_promises_that_cannot_be_read_hold_nothing_up(clock: Clock) -> None:
    def unreadable() -> Promises:
        raise OSError("no such shard")

    reader: Reader = Shop(clock, rows=[(0, "s-1", "b-1")])  # type: ignore[assignment]
    assert Drain(reader, None, WITH_ALL, SETTLE_S, 9, unreadable).wait(clock.later(10), lambda: None).at_ns
    assert clock.passed_s <= SOON_S


COUNTED = Final(rows=ROWS)
LEFT_IN_REDIS = Final(rows=ROWS, left=Source(redis_set="left"))
LEFT_IN_THE_DATABASE = Final(rows=ROWS, left=Source(sql="left"))


def waited_counted(final: Final, shop: Shop, told: Promises, stock: int = 3) -> float:
    """Seconds until the drain of a shop with ids of its own and no queue believed that nothing moves any more."""
    reader: Reader = shop  # type: ignore[assignment]
    assert Drain(reader, None, final, SETTLE_S, stock, lambda: told).wait(shop.clock.later(10), lambda: None).at_ns
    return shop.clock.passed_s


@pytest.mark.parametrize("final", [COUNTED, LEFT_IN_REDIS, LEFT_IN_THE_DATABASE])
def test_a_promise_is_waited_for_though_the_counts_add_up(clock: Clock, final: Final) -> None:
    """A row and its unit of stock are written together: what the queue's worker holds is in neither."""
    shop = Shop(clock, rows=[(0, "41", "b-1"), (2.5, "42", "b-2")], left=[(0, "-", "-"), (0, "-", "-")])
    told = Promises(unnumbered=(("b-1", 1), ("b-2", 1)))
    assert 2.5 <= waited_counted(final, shop, told) <= 2.5 + SOON_S


def test_more_promises_than_units_are_waited_for_to_the_end(clock: Clock) -> None:
    shop = Shop(clock, rows=[(0, "41", "b-1"), (0, "42", "b-2"), (0, "43", "b-3")])
    told = Promises(unnumbered=tuple((f"b-{n}", 1) for n in range(1, 5)))
    assert waited_counted(COUNTED, shop, told) > 10


def test_who_is_only_accepted_is_promised_nothing(clock: Clock) -> None:
    assert waited_counted(COUNTED, Shop(clock, rows=[(0, "41", "b-1")]), Promises()) <= SOON_S


@pytest.mark.parametrize(("final", "waits"), [(LEFT_IN_REDIS, False), (LEFT_IN_THE_DATABASE, True), (COUNTED, True)])
def test_a_late_broker_need_not_be_asked_where_stock_is_taken_with_the_claim(
    clock: Clock, final: Final, waits: bool
) -> None:
    shop = Shop(clock, rows=[(0, "41", "b-1")], left=[(0, "-", "-"), (0, "-", "-")])
    broker = Scripted((1, 0), holds=(0,), late_s=1.0)
    reader: Reader = shop  # type: ignore[assignment]
    Drain(reader, broker, final, SETTLE_S, 3, Promises).wait(clock.later(10), lambda: None)  # type: ignore[arg-type]
    assert (clock.passed_s >= 1.0) is waits
