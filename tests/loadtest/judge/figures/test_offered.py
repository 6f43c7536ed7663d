"""Offered load and latency: what was meant, what was sent, how late, and how long buyers waited."""

import io
from pathlib import Path

from rich.console import Console

from loadtest.cli.box import show_verdict


def shown(verdict):
    """The box, on a wide terminal."""
    out = io.StringIO()
    show_verdict(Console(file=out, width=300), verdict, Path("run"))
    return out.getvalue()


def test_the_load_of_a_herd(history, judged):
    told = history().buys("b-0", "ok", kind="page", at=-3)
    for n in range(10):
        told.buys(f"b-{n}", late=n / 10)
    told.buys("b-0", at=2)  # a second click is no part of the herd
    load = judged(told).load
    assert (10, 10, 900, 900) == (
        load.offered_per_s,
        load.achieved_per_s,
        load.fire_spread_ms,
        load.schedule_lag_p99_ms,
    )


def test_a_click_begins_with_its_first_step(history, judged):
    told = history()
    for n in range(10):
        told.steps(f"b-{n}", at=-2).steps(f"b-{n}", at=0).buys(f"b-{n}", late=2)
    on_time, late = judged(told), judged(without_steps(told))
    assert (0, 0) == (on_time.load.fire_spread_ms, on_time.load.schedule_lag_p99_ms)
    assert not any("planned orders" in doubt.text for doubt in on_time.doubts)
    assert any("sent 0 of 10 planned orders within a second" in doubt.text for doubt in late.doubts)


def without_steps(told):
    told.ops = [op for op in told.ops if op["k"] == "buy"]
    return told


def test_a_generator_that_cannot_keep_up_achieves_less(history, judged):
    told = history()
    for n in range(10):
        told.buys(f"b-{n}", late=n / 2)
    load = judged(told).load
    assert (10, 2) == (load.offered_per_s, load.achieved_per_s)


def test_the_generators_share_of_a_core_is_its_busiest_second(history, judged):
    told = history().buys("b-1")
    for tick, cpu_s in enumerate([1.0, 1.1, 1.2, 1.9, 2.1, 2.2]):
        told.sample("processes", "generator.cpu_s", cpu_s, tick / 2)
    assert 0.9 == round(judged(told).load.generator_cpu, 9)


def test_latencies_by_outcome_from_the_schedule(history, judged):
    told = history()
    for n in range(1, 1001):
        told.buys(f"b-{n}", took=n / 1000)
    told.buys("c-1", won="s-1", took=0.005, late=0.1).buys("c-2", "unknown", took=None).buys(
        "c-3", "pending", kind="status"
    )
    assert {
        "sold_out": {"p50": 500, "p99": 990, "p999": 999, "max": 1000},
        "won": {"p50": 105, "p99": 105, "p999": 105, "max": 105},
    } == judged(told).latency_ms


def test_the_load_of_open_arrivals_is_the_plans_sent_or_not(history, judged):
    told = history().due(*(n // 2 / 50 for n in range(200)))  # two at T0, and every 20 ms
    for n in range(150):
        told.buys(f"b-{n}", at=n // 2 / 50, late=0.03 if n >= 120 else 0.01)
    told.buys("b-1", "throttled", kind="retry", at=1.995)
    load = judged(told).load
    assert (101, 100) == (load.offered_per_s, load.achieved_per_s)
    assert (120 / 200, 50, 1) == (load.on_time, load.dropped, load.retries)
    assert load.fire_spread_ms is None


def test_a_herd_is_neither_on_time_nor_dropped(history, judged):
    load = judged(history().due(0, 0).buys("b-1").buys("b-2", late=0.5)).load
    assert (None, None, 0, 500) == (load.on_time, load.dropped, load.retries, load.fire_spread_ms)


def test_buyers_who_come_one_by_one_are_no_herd(history, judged):
    told = history().buys("b-1", at=0.0003).buys("b-2", at=0.0008)
    for n in range(3, 10):
        told.buys(f"b-{n}", at=n / 10, late=0.004)
    verdict = judged(told)
    assert verdict.load.fire_spread_ms is None
    assert "99 % within 4 ms of their time" in shown(verdict)
    assert "fired within" not in shown(verdict)


def test_a_herd_is_told_by_how_long_it_took(history, judged):
    assert "fired within 500 ms" in shown(judged(history().buys("b-1").buys("b-2", late=0.5)))
