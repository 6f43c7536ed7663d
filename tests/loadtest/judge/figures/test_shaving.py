"""Shaving: the peak that the buyers made beside the peak that the database felt."""

from loadtest.judge.figures.shaving import Shaving


def test_the_peaks_and_what_lies_between_them(history, judged):
    told = history()
    for n in range(60):
        told.buys(f"b-{n}", at=n / 100)
    # 10 transactions in the first half second, 5 in each later one; the last row at 3 s.
    for tick, xids in enumerate([500, 510, 515, 520, 525, 530, 535]):
        told.sample("postgres", "write_xids", xids, tick / 2)
        told.sample("postgres", "active", tick, tick / 2).sample("postgres", "lock_waits", 3 - tick, tick / 2)
    told.sample("postgres", "write_xids", 495, -1).sample("postgres", "active", 99, -1)
    shaving = judged(told.row("s-1", "b-1", at=3.0)).shaving
    assert (60, 15, 35 / 3) == (shaving.requests_max_per_s, shaving.commits_max_per_s, shaving.commits_mean_per_s)
    assert (4, 15 / (35 / 3)) == (shaving.factor, shaving.peak_to_mean)
    assert (6, 3) == (shaving.active_max, shaving.lock_waits_max)


def test_a_sale_over_within_a_second_has_no_mean(history, judged):
    told = history().sample("postgres", "write_xids", 500, 0).sample("postgres", "write_xids", 510, 0.9)
    shaving = judged(told.row("s-1", "b-1", at=0.9)).shaving
    assert (None, None) == (shaving.commits_mean_per_s, shaving.peak_to_mean)


def test_what_was_not_sampled_is_not_known(history, judged):
    assert Shaving() == judged(history()).shaving
