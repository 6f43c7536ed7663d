"""Doubts: each reason to call a run unknown, beside the nearest run that is not."""

import pytest


def texts(verdict):
    return " | ".join(doubt.text for doubt in verdict.doubts)


def test_nobody_told_sold_out(history, judged):
    told = history(stock=1).sells("b-1", "s-1").buys("b-2", "throttled")
    verdict = judged(told)
    assert ("UNKNOWN", True) == (verdict.verdict, "nobody was told sold-out" in texts(verdict))
    assert verdict.sentence.endswith("; not proven: nobody was told sold-out")
    assert judged(told.buys("b-2")).verdict == "VALID"


def test_demand_under_twice_the_stock(fair, judged):
    verdict = judged(fair(stock=3, buyers=5))
    assert ("UNKNOWN", True) == (
        verdict.verdict,
        "5 buyers asked for a stock of 3: demand under 2 × stock" in texts(verdict),
    )
    assert judged(fair(stock=3, buyers=6)).verdict == "VALID"


def test_another_stock_than_was_seeded(fair, judged):
    assert "4 numbers were seeded for a stock of 3" in texts(judged(fair().seeded("s-4").token("s-4")))


def test_a_generator_under_95_percent_of_its_plan(fair, judged):
    verdict = judged(fair(stock=3, buyers=94, planned=100))
    assert ("UNKNOWN", True) == (verdict.verdict, "sent 94 of 100 planned orders" in texts(verdict))
    assert judged(fair(stock=3, buyers=95, planned=100)).verdict == "VALID"


def test_an_order_sent_over_a_second_late_is_off_plan(fair, judged):
    assert judged(fair(stock=1, buyers=2).buys("b-3", late=1.0)).verdict == "VALID"
    verdict = judged(fair(stock=1, buyers=2).buys("b-3", late=1.001))
    assert ("UNKNOWN", True) == (verdict.verdict, "sent 2 of 3 planned orders within a second" in texts(verdict))


def busy(told, cores, seconds=3.0):
    for tick in range(round(seconds * 10) + 1):
        told.sample("processes", "generator.cpu_s", 5 + cores * tick / 10, tick / 10)
    return told.buys("b-99", at=4)


def late_herd(fair, late):
    told = fair(stock=1, buyers=2)
    for n in range(10):
        told.buys(f"b-{n + 10}", at=0.1, late=late)
    return told


def test_a_generator_that_was_late_on_a_full_core(fair, judged):
    verdict = judged(busy(late_herd(fair, 0.5), cores=1.0))
    assert ("UNKNOWN", True) == (verdict.verdict, "CPU-bound: 3.0 s on a full core" in texts(verdict)), texts(verdict)


@pytest.mark.parametrize(("late", "cores", "seconds"), [(0.2, 1.0, 3.0), (0.5, 0.9, 3.0), (0.5, 1.0, 1.5)])
def test_late_or_busy_or_brief_alone_is_no_doubt(fair, judged, late, cores, seconds):
    assert judged(busy(late_herd(fair, late), cores, seconds)).verdict == "VALID"


def test_a_fault_that_was_never_observed(fair, judged):
    verdict = judged(fair().fault("kill_worker", observed=None))
    assert ("UNKNOWN", True) == (verdict.verdict, "fault kill_worker was never observed" in texts(verdict))


def test_a_fault_with_nothing_in_flight(fair, judged):
    verdict = judged(fair().fault("kill_worker", observed=30, recovered=31))
    assert ("UNKNOWN", True) == (
        verdict.verdict,
        "no order was under way under fault kill_worker" in texts(verdict),
    )
    assert judged(fair().fault("kill_worker", observed=0.005, recovered=31)).verdict == "VALID"


def test_faults_that_do_not_parse(fair, tmp_path):
    from loadtest.judge.verdict import judge

    run_dir = fair().write(tmp_path)
    (run_dir / "faults.jsonl").write_text("garbage\n", encoding="utf-8")
    verdict = judge(run_dir)
    assert ("UNKNOWN", True) == (verdict.verdict, "faults missing: faults.jsonl does not parse" in texts(verdict))


def limited(fair, last_row):
    told = fair(stock=3, buyers=6, limiter_kind="flat", configured_per_s=2.0).queue_reads(0, last_row)
    told.tables["orders"][-1]["created_ns"] = told.sale["t0_ns"] + round(last_row * 1e9)
    return told


def test_a_slow_drain_is_told_and_does_not_decide(fair, judged):
    verdict = judged(limited(fair, last_row=2.6))
    assert ("VALID", True) == (
        verdict.verdict,
        "the drain took 2.6 s; 3 rows at 2/s should take 1.5 s" in texts(verdict),
    )
    assert "drain took" not in texts(judged(limited(fair, last_row=2.4)))


def test_without_a_limiter_no_drain_is_slow(fair, judged):
    told = limited(fair, last_row=9.0).with_sale(limiter_kind="none", configured_per_s=None)
    assert None not in [doubt.text for doubt in judged(told).doubts]


def test_unacked_messages_before_the_redelivery_time(fair, judged):
    told = fair().undrained()
    told.tables["orders"].pop()
    verdict = judged(told.queued("s-3", "unacked"))
    assert ("UNKNOWN", True) == (
        verdict.verdict,
        "drain: 1 messages were held by workers at the deadline of 60 s" in texts(verdict),
    )


def test_each_doubt_has_a_remedy_and_is_told_once(history, judged):
    doubts = judged(history().without("tokens", "claims", "orders", "ops", "sale")).doubts
    assert all(doubt.remedy for doubt in doubts)
    assert len(set(doubts)) == len(doubts)


def open_sale(fair, *, sent, late=0.0, planned=100):
    told = fair(stock=1, buyers=2, planned=planned).due(*(n / 10 for n in range(planned)))
    for n in range(2, sent):
        told.buys(f"b-{n + 10}", at=n / 10, late=late)
    return told


def test_dropped_arrivals_are_off_the_plan(fair, judged):
    verdict = judged(open_sale(fair, sent=94))
    assert ("UNKNOWN", True) == (verdict.verdict, "sent 94 of 100 planned orders" in texts(verdict))
    verdict = judged(open_sale(fair, sent=96))
    assert ("VALID", True) == (verdict.verdict, "the generator was the bottleneck: 96.0 % of 100" in texts(verdict))
    assert "4 were dropped" in texts(verdict)
    assert any("raise arrivals.connections" in doubt.remedy for doubt in verdict.doubts)


def test_open_arrivals_that_are_late_by_more_than_20_ms_are_told(fair, judged):
    assert "bottleneck" not in texts(judged(open_sale(fair, sent=100, late=0.020)))
    verdict = judged(open_sale(fair, sent=100, late=0.021))
    assert "2.0 % of 100 planned orders were sent within 20 ms of their time" in texts(verdict)


def test_retries_do_not_make_up_for_orders_that_were_not_sent(fair, judged):
    told = open_sale(fair, sent=90)
    for n in range(20):
        told.buys(f"b-{n + 12}", kind="retry", at=9 + n / 100)
    assert "sent 90 of 100 planned orders" in texts(judged(told))


def test_a_plan_that_does_not_parse(fair, tmp_path):
    from loadtest.judge.verdict import judge

    run_dir = fair().write(tmp_path)
    (run_dir / "arrivals.csv").write_text("time_s,clicks\nsoon,1\n", encoding="utf-8")
    verdict = judge(run_dir)
    assert ("UNKNOWN", True) == (verdict.verdict, "plan missing: arrivals.csv does not parse" in texts(verdict))
