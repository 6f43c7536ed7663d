"""Buyers on Locust's fast client: the same story, the same history."""

import csv

from .conftest import Rush, Shop
from .test_rush import outcomes

SCENARIO = """
from locust import events, task
from loadtest.load.buyers.fast_buyer import FastBuyer
from loadtest.load.plugin import install

install(events)

class Visitor(FastBuyer):
    @task
    def visit(self):
        self.warm()
        self.client.get("/sales/sale", name="a look around")
        for answer in self.buy_at_t0():
            if answer.outcome == "won":
                self.follow(answer)
"""


def test_a_rush_on_locusts_fast_client(rush: Rush, shop: Shop) -> None:
    rush.scenario = str(rush.run_dir / "visit.py")
    (rush.run_dir / "visit.py").write_text(SCENARIO, encoding="utf-8")
    experiment = rush.run_dir / "experiment.toml"
    experiment.write_text(experiment.read_text(encoding="utf-8") + "[traffic]\ndouble_click = 1\n", encoding="utf-8")
    rush.run(20, shop.url, "--csv", str(rush.run_dir / "locust/stats"))
    buys = rush.ops("buy")
    # Each buyer asked twice, and the history knows what the shop sold.
    assert sorted(shop.asked) == sorted(op["b"] for op in buys) == sorted([f"b-{n:06d}" for n in range(1, 21)] * 2)
    assert outcomes(buys) == {"won": 5, "already_bought": 5, "sold_out": 30}
    assert {op["b"]: op["n"] for op in buys if op["o"] == "won"} == shop.sold
    [t0] = rush.samples("t0")
    assert all(op["s"] == t0["t"] <= op["t"] < op["e"] for op in buys)
    assert outcomes(rush.ops("status")) == {"pending": 5, "confirmed": 5}
    with (rush.run_dir / "locust/stats_stats.csv").open(encoding="utf-8") as file:
        rows = {row["Name"]: (int(row["Request Count"]), int(row["Failure Count"])) for row in csv.DictReader(file)}
    assert rows["/sales/sale/orders"] == (40, 0)
    assert rows["a look around"] == (20, 0)


def test_an_order_that_nobody_answers_is_unknown_on_it_too(rush: Rush, shop: Shop) -> None:
    rush.scenario = str(rush.run_dir / "visit.py")
    (rush.run_dir / "visit.py").write_text(SCENARIO, encoding="utf-8")

    def hang(buyer: str) -> None:
        import time

        time.sleep(3)

    shop.answer = hang
    rush.run(2, shop.url)
    assert {(op["o"], op["x"]) for op in rush.ops("buy")} == {("unknown", "no answer in 1 s")}
    assert sorted(shop.asked) == ["b-000001", "b-000002"]
    assert all(0.9e9 < op["e"] - op["t"] < 3e9 for op in rush.ops("buy"))
