"""Several generators: one clock, one that died, and what may still be said."""

import pytest

from loadtest.errors import HarnessError
from loadtest.judge.tables import open_tables
from loadtest.judge.verdict import judge
from loadtest.record.generators import Generator, read_generators, write_generators
from loadtest.record.history import load_history


def texts(verdict):
    return " | ".join(doubt.text for doubt in verdict.doubts)


def test_they_are_read_as_they_were_written(tmp_path):
    written = [Generator("g0", 0, 10, 12, True, -5, 7), Generator("g1", 1)]
    write_generators(tmp_path, written)
    assert read_generators(tmp_path) == written


def test_the_numbers_in_the_names_of_its_buyers():
    assert [2, 4, 6] == list(Generator("g1", 1, taking_turns=2).numbers[:3])
    assert [1_000_001, 2_000_000] == [Generator("g1", 1).numbers[at] for at in (0, -1)], "of an older version"


def test_none_are_told_of_where_one_was_all(tmp_path):
    assert read_generators(tmp_path) == []


def test_a_broken_file_is_told_and_the_run_is_unknown(fair, tmp_path):
    run_dir = fair().write(tmp_path)
    (run_dir / "generators.json").write_text('[{"generatr": 1}]', encoding="utf-8")
    with pytest.raises(HarnessError, match=r"generators\.json: does not read"):
        read_generators(run_dir)
    verdict = judge(run_dir)
    assert ("UNKNOWN", True) == (verdict.verdict, "generators.json: does not read" in texts(verdict))


def test_times_are_by_the_masters_clock(history, tmp_path):
    told = history().buys("b-1", at=0).buys("b-1000001", at=2.5, generator="g0").generator(0, ahead_s=-2.5).generator(1)
    run_dir = told.write(tmp_path)
    load_history(run_dir)
    with open_tables(run_dir) as tables:
        assert tables.rows("SELECT count(*), count(DISTINCT start_ns), count(DISTINCT end_ns) FROM asks") == [(2, 1, 1)]


def dead(history, planned):
    """A sale of two units: g0 bought one and was heard; g1 was to send `planned` orders, of which one was heard of."""
    told = history(stock=2).sells("b-000001", "s-1").generator(0, 3).generator(1, planned, whole=False)
    told.buys("b-000002").buys("b-000003")
    for op in told.ops:
        op["generator"] = "g0"
    return told.buys("b-1000001", took=None)


def test_a_row_for_a_buyer_of_a_dead_generator_is_no_phantom(history, judged):
    verdict = judged(dead(history, 40).row("s-2", "b-1000002"))
    assert [] == [check.name for check in verdict.checks if check.verdict == "INVALID"]
    assert "generator g1 died before it had delivered its history: 39 of its 40 orders" in texts(verdict)
    assert "40 unknown replies, 40 unresolved" in verdict.sentence


def test_a_retry_is_none_of_the_orders_that_it_was_to_send(history, judged):
    told = dead(history, 40).buys("b-1000001", at=1, took=None, kind="retry")
    assert "39 of its 40 orders" in texts(judged(told))


def test_nor_for_an_account_that_it_shared(history, judged):
    assert 0 == judged(dead(history, 40).row("s-2", "s-000001")).counts.phantom


@pytest.mark.parametrize("buyer", ["b-000009", "b-2000001", "somebody"])
def test_but_a_row_for_a_buyer_of_another_is(history, judged, buyer):
    verdict = judged(dead(history, 40).row("s-2", buyer))
    assert ["phantom"] == [check.name for check in verdict.checks if check.verdict == "INVALID"]


def test_and_a_row_for_a_buyer_of_one_that_was_heard_to_its_end_is(history, judged):
    told = dead(history, 40).row("s-2", "b-1000002")
    told.generators[1] = Generator("g1", 1, 40, 40, whole=True)
    assert ["phantom"] == [check.name for check in judged(told).checks if check.verdict == "INVALID"]


def test_who_was_never_heard_of_is_no_demand(history, judged):
    """Else a stock that three known buyers left unsold would be an undersell, for the sake of 40 who may never have asked."""
    told = dead(history, 40).token("s-2")
    told.with_sale(stock=2)
    told.ops = [op for op in told.ops if op["b"] == "b-000001"]
    assert "undersell" not in [check.name for check in judged(told).checks if check.verdict == "INVALID"]


def late_win(history, after_s, within_s, *, same):
    told = (
        history().buys("b-1", at=0, took=0.5).buys("b-2", won="s-1", at=0.5 + after_s, generator="g1" if same else "g0")
    )
    return told.generator(0, within_s=within_s).generator(1, within_s=within_s)


@pytest.mark.parametrize(
    ("after_s", "same", "units"),
    [(0.09, False, 0), (0.11, False, 1), (0.09, True, 1)],
    ids=["within", "beyond", "same"],
)
def test_late_between_generators_is_later_than_their_clocks_may_differ(history, found, after_s, same, units):
    assert units == found("sold_out_early", late_win(history, after_s, 0.05, same=same)).units


def test_how_well_the_clocks_agree_is_told(fair, judged):
    told = (
        fair(stock=1, buyers=2)
        .buys("b-000003", generator="g0")
        .generator(0, within_s=0.001)
        .generator(1, within_s=0.002)
    )
    verdict = judged(told)
    assert 3 == verdict.load.clocks_within_ms
    assert "clocks" not in texts(verdict)
    told.generators[0] = Generator("g0", 0, whole=True, uncertainty_ns=50_000_000)
    assert "the clocks of the generators agree within 52 ms only" in texts(judged(told))


def test_a_clock_that_was_stepped_is_told(fair, judged):
    told = fair(stock=1, buyers=2).buys("b-000003", generator="g0").generator(0, ahead_s=1, within_s=0.001).generator(1)
    for at in (1, 2):
        told.sample("generator", "g0.clock_offset_ms", 1004, at).sample("generator", "g0.clock_uncertainty_ms", 1, at)
    assert "clock" not in texts(judged(told))
    told.sample("generator", "g0.clock_offset_ms", 1250, 3).sample("generator", "g0.clock_uncertainty_ms", 1, 3)
    assert "the clock of generator g0 moved by 250 ms during the sale" in texts(judged(told))


def test_a_full_core_is_that_of_one_generator(fair, judged):
    def told(*cores):
        sale = fair(stock=1, buyers=2)
        for n in range(10):
            sale.buys(f"b-{n + 10}", at=0.1, late=0.5)
        for tick in range(31):
            for process, each in enumerate(cores):
                sale.sample("generator", f"g{process}.cpu_s", each * tick / 10, tick / 10)
            sale.sample("processes", "generator.cpu_s", sum(cores) * tick / 10, tick / 10)
        return judged(sale.buys("b-99", at=4))

    assert 0.6 == pytest.approx(told(0.6, 0.6).load.generator_cpu)
    assert "CPU-bound" not in texts(told(0.6, 0.6))
    assert "CPU-bound" in texts(told(1.0, 0.1))
