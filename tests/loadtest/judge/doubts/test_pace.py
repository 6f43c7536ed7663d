"""The database's clock: rows before T0, rows after they were read, hours that a time zone makes."""

import pytest

HOUR_NS = 3_600_000_000_000
LIMITED = {"limiter_kind": "flat", "configured_per_s": 100.0}


def told(verdict):
    return " | ".join(doubt.text for doubt in verdict.doubts)


def shifted(sale, by_ns):
    for row in sale.tables["orders"]:
        row["created_ns"] += by_ns
    return sale


def clocked(sale, within_ms=1.0):
    """With the database's clock measured, and the rows read 20 s after T0."""
    return sale.with_sale(
        db_offset_ns=123, db_uncertainty_ns=round(within_ms * 1e6), read_ns=sale.sale["t0_ns"] + 20 * 10**9
    )


def test_a_clock_that_is_known_well_is_no_doubt(fair, judged):
    verdict = judged(clocked(fair()))
    assert ("VALID", ()) == (verdict.verdict, verdict.doubts[:0]), told(verdict)
    assert "clock" not in told(verdict)


@pytest.mark.parametrize(
    ("within_ms", "state", "said"), [(50, "VALID", False), (51, "VALID", True), (1001, "UNKNOWN", True)]
)
def test_what_is_left_unknown_of_the_clock_is_told_and_decides_past_a_second(fair, judged, within_ms, state, said):
    verdict = judged(clocked(fair(), within_ms))
    assert (state, said) == (verdict.verdict, "the database's clock is known within" in told(verdict))


def test_rows_before_t0_by_more_than_the_clock_may_be_wrong(fair, judged):
    early = clocked(shifted(fair(**LIMITED), -200_000_000))
    verdict = judged(early)
    assert "rows are created before T0: 3 of them, the first at T0 -0.149 s" in verdict.sentence
    assert ("UNKNOWN", None) == (verdict.verdict, verdict.drain_s)
    assert "VALID" == judged(clocked(shifted(fair(), -200_000_000), within_ms=250)).verdict


def test_rows_after_they_were_read(fair, judged):
    assert (
        "rows are created after they were read: 3 of them, the last at T0 +30.053 s"
        in judged(clocked(shifted(fair(), 30 * 10**9))).sentence
    )


@pytest.mark.parametrize("hours", [8, -8, 5.5, -0.5])
@pytest.mark.parametrize("measured", [True, False])
def test_times_that_are_off_by_a_time_zone(fair, judged, hours, measured):
    sale = shifted(fair(**LIMITED).backlog(0, 5), round(hours * HOUR_NS))
    verdict = judged(clocked(sale) if measured else sale)
    assert ("UNKNOWN", None) == (verdict.verdict, verdict.drain_s), verdict.sentence
    assert f"about {hours:+g} h, as where a time is stored without its time zone" in verdict.sentence
    assert "AT TIME ZONE" in " ".join(doubt.remedy for doubt in verdict.doubts)
    assert "the drain took" not in told(verdict)


def test_no_rate_is_held_against_times_that_are_wrong(fair, judged):
    bunched = fair(stock=9, buyers=18, limiter_kind="flat", configured_per_s=2.0, burst=1)
    flatness = {check.name: check.verdict for check in judged(clocked(bunched)).checks}["flatness"]
    assert "INVALID" == flatness
    flatness = {check.name: check.verdict for check in judged(clocked(shifted(bunched, -HOUR_NS))).checks}["flatness"]
    assert "UNKNOWN" == flatness


def test_a_wall_clock_that_was_stepped_while_rows_were_written(fair, judged):
    for by_ms in (400.0, -400.0):
        stepped = (
            fair(**LIMITED)
            .sample("generator", "g0.wall_stepped_ms", 0, 0)
            .sample("generator", "g0.wall_stepped_ms", by_ms, 1)
        )
        assert "the wall clock of generator g0 was stepped by 400 ms" in judged(stepped).sentence


def test_rows_without_a_time_leave_the_drain_to_the_standstill(fair, judged):
    sale = fair()
    sale.tables["orders"][-1]["created_ns"] = None
    assert 10 == judged(sale).drain_s
