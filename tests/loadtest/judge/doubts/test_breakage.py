"""Faults that are not what was asked for, faults with nothing under way, and processes that died unasked."""

import pytest

from loadtest.judge.verdict import judge


def told(verdict):
    return " | ".join(doubt.text for doubt in verdict.doubts)


def unknown(verdict, text):
    """The run is UNKNOWN, its sentence says so, and the doubt has a remedy."""
    assert ("UNKNOWN", True) == (verdict.verdict, text in verdict.sentence), (verdict.sentence, told(verdict))
    assert all(doubt.remedy for doubt in verdict.doubts)
    return True


FAULT = {"observed": 0.002, "recovered": 1.0, "intended": 0.0}


def test_a_fault_as_it_was_asked_for_is_no_doubt(fair, judged):
    assert "VALID" == judged(fair().asks_for("kill", "api").fault("kill api", **FAULT)).verdict


@pytest.mark.parametrize(
    ("course", "text"),
    [
        ({"observed": None}, "fault kill api was never observed to take effect"),
        ({"recovered": None}, "fault kill api was never healed"),
        ({"recovered": None, "healed": 0.5}, "fault kill api never recovered"),
    ],
)
def test_a_fault_that_took_another_course(fair, judged, course, text):
    assert unknown(judged(fair().asks_for("kill", "api").fault("kill api", **FAULT | course)), text)


def test_the_log_s_reason_is_told(fair, judged):
    sale = fair().asks_for("kill", "api").fault("kill api", **FAULT | {"observed": None})
    sale.faults[-1]["reason"] = "not injected: T0 never came"
    assert unknown(judged(sale), "fault kill api was never observed to take effect (not injected: T0 never came)")


def test_a_fault_that_is_not_in_the_log(fair, judged):
    assert unknown(judged(fair().asks_for("kill", "api")), "fault kill api was asked for and is not in the log")


def test_an_empty_log_of_faults(fair, tmp_path):
    run_dir = fair().asks_for("kill", "api").write(tmp_path)
    (run_dir / "faults.jsonl").write_text("", encoding="utf-8")
    assert unknown(judge(run_dir), "fault kill api was asked for and is not in the log")


def test_another_fault_in_the_log_is_not_the_one_that_was_asked_for(fair, judged):
    assert unknown(judged(fair().asks_for("kill", "api").fault("kill worker", **FAULT)), "fault kill api was asked for")


def test_more_of_one_kind_asked_for_than_recorded(fair, judged):
    twice = fair().asks_for("kill", "api").asks_for("kill", "api").fault("kill api", **FAULT)
    assert unknown(judged(twice), "fault kill api was asked for 2 times and is in the log 1 times")
    assert "VALID" == judged(twice.fault("kill api", **FAULT)).verdict


def test_a_recorded_fault_that_nobody_asked_for_is_judged_like_any_other(fair, judged):
    assert unknown(judged(fair().fault("kill api", **FAULT | {"recovered": None, "healed": 0.5})), "never recovered")


def test_a_process_that_died_unasked(fair, judged):
    verdict = judged(fair().dies("worker-2", -9, at=0.8))
    assert unknown(verdict, "worker-2 ended with -9 at T0 +0.800 s, and nobody asked for it")
    assert "see logs/worker-2.log" in verdict.doubts[0].remedy


def test_a_process_that_ended_well_but_unasked_and_one_without_a_time(fair, judged, tmp_path):
    assert unknown(judged(fair().dies("api", 0, at=-1)), "api ended with 0 at T0 -1.000 s")
    run_dir = fair().write(tmp_path)
    (run_dir / "deaths.jsonl").write_text('{"t": null, "role": "beat", "name": null, "exit": null}\n', encoding="utf-8")
    assert unknown(judge(run_dir), "beat ended with an unknown code, and nobody asked for it")


def test_a_death_does_not_excuse_what_a_check_found(fair, judged):
    assert "INVALID" == judged(fair().row("t-1", "b-9").dies("worker-1", -9, at=0.8)).verdict


def test_orders_that_the_fault_itself_cut_were_under_way(fair, judged):
    cut = (
        fair()
        .buys("b-9", "unknown", at=0.1, took=0.05)
        .fault("kill api", observed=0.3, recovered=1, intended=0.1, injected=0.12)
    )
    assert "VALID" == judged(cut).verdict


def test_a_fault_is_looked_at_from_when_it_was_injected_not_intended(fair, judged):
    late = fair().fault("kill api", observed=5.1, recovered=6, intended=0.001, injected=5)
    assert unknown(judged(late), "no order was under way under fault kill api")


def test_an_order_between_its_promise_and_its_row_is_under_way(fair, judged):
    waiting = fair()
    waiting.tables["orders"][-1]["created_ns"] += 5 * 10**9
    assert "VALID" == judged(waiting.fault("kill worker", observed=3, recovered=4)).verdict
    assert unknown(judged(waiting.fault("kill worker", observed=6, recovered=7)), "no order was under way")


def test_an_order_that_timed_out_is_under_way_until_its_row(fair, judged):
    late = fair(stock=4, buyers=8)
    late.ops[3] |= {"o": "unknown", "n": None, "h": None, "e": late.ops[3]["s"] + 10**9}
    late.tables["orders"][3]["created_ns"] += 5 * 10**9
    assert "VALID" == judged(late.fault("kill worker", observed=3, recovered=4)).verdict


def test_a_promise_without_a_number_is_under_way_until_its_buyer_has_a_row(fair, judged):
    late = fair(stock=4, buyers=8)
    late.ops[3] |= {"n": None}
    late.tables["orders"][3]["created_ns"] += 5 * 10**9
    assert "VALID" == judged(late.fault("kill worker", observed=3, recovered=4)).verdict


def test_looks_at_an_order_are_not_under_way(fair, judged):
    looking = fair()
    for n in range(20):
        looking.buys("b-1", "confirmed", number="s-1", kind="status", at=3 + n / 10, took=0.5)
    assert unknown(judged(looking.fault("kill api", observed=4, recovered=4.5)), "no order was under way")


def test_orders_that_never_left_are_not_under_way(fair, judged):
    refused = fair()
    for n in range(20):
        refused.buys(
            f"b-{n}", "refused", kind="retry", at=3 + n / 10, took=0.5, http=None, error="connect: connection refused"
        )
    assert unknown(judged(refused.fault("kill api", observed=4, recovered=4.5)), "no order was under way")
