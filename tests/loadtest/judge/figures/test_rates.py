"""Rates: how fast rows were written, and how steadily."""


def test_the_figures_of_a_limited_sale(history, judged):
    told = history(stock=41, limiter_kind="flat", configured_per_s=10.0).backlog(0, 4)
    for n in range(41):
        told.row(f"s-{n}", f"b-{n}", at=n / 10)
    verdict = judged(told)
    assert {"configured_per_s": 10, "steady_per_s": 10, "max_1s": 10, "flatness": 1} == vars(verdict.rate)
    assert verdict.drain_s == 4


def test_without_rows_the_drain_ends_with_the_standstill(history, judged):
    assert 10 == judged(history()).drain_s
    assert None is judged(history().undrained()).drain_s


def test_without_a_limiter_there_is_only_the_busiest_second(fair, judged):
    assert {"configured_per_s": None, "steady_per_s": None, "max_1s": 3, "flatness": None} == vars(judged(fair()).rate)
