"""Double clicks and scalpers, as the shop meets them. Each test is one real Locust process, or two."""

import json
import threading
import time
import urllib.request
from collections import Counter

from .conftest import Rush, Shop, free_port


def traffic(rush: Rush, buyers: int, **shares: float) -> None:
    """Lays the shares over the experiment of `rush`."""
    path = rush.run_dir / "experiment.toml"
    lines = [f"{name} = {share}" for name, share in shares.items()]
    path.write_text(
        "\n".join([f"buyers = {buyers}", path.read_text(encoding="utf-8"), "[traffic]", *lines, ""]), encoding="utf-8"
    )


def test_a_double_click_does_not_wait_for_the_first_answer(rush: Rush, shop: Shop) -> None:
    traffic(rush, 10, double_click=0.3)
    # No click is answered before all have come: whoever waited for an answer would never be the thirteenth.
    everybody = threading.Barrier(13)

    def answer(_: str) -> None:
        everybody.wait(timeout=5)

    shop.answer = answer
    rush.run(10, shop.url)
    buys = rush.ops("buy")
    assert Counter(Counter(op["b"] for op in buys).values()) == {1: 7, 2: 3}
    assert len(shop.sold) == len([op for op in buys if op["o"] == "won"]) == 5
    # Both are due at T0, and both connections were warm before it.
    [t0] = rush.samples("t0")
    assert {op["s"] for op in buys} == {t0["t"]}
    assert Counter(op["b"] for op in rush.ops("page")) == Counter(op["b"] for op in buys)
    assert max(op["e"] for op in rush.ops("page")) < t0["t"]


def test_a_number_is_polled_once_however_often_its_buyer_clicked(rush: Rush, shop: Shop) -> None:
    traffic(rush, 4, double_click=1, scalpers=0.5, scalper_accounts=1)
    # This shop says won to every click of an account, with the same number.
    shop.answer = lambda buyer: (202, {"number": f"sale-{buyer}"})
    rush.run(4, shop.url)
    assert len(rush.ops("buy")) == 8
    accounts = {op["b"] for op in rush.ops("buy")}
    assert len(accounts) == 3
    assert shop.looks == {f"sale-{account}": 2 for account in accounts}


def test_both_orders_of_who_may_have_two_are_followed(rush: Rush, shop: Shop) -> None:
    traffic(rush, 1, double_click=1)
    turn = iter(range(1, 3))
    shop.answer = lambda _: (202, {"number": f"sale-{next(turn)}"})
    rush.run(1, shop.url)
    assert shop.looks == {"sale-1": 2, "sale-2": 2}


def test_scalpers_share_accounts_and_fire_at_once(rush: Rush, shop: Shop) -> None:
    traffic(rush, 20, scalpers=0.4, scalper_accounts=2)
    rush.run(20, shop.url)
    buys = rush.ops("buy")
    accounts = Counter(op["b"] for op in buys)
    assert {name: count for name, count in accounts.items() if count > 1} == {"s-000001": 4, "s-000002": 4}
    assert len(accounts) == 14
    [t0] = rush.samples("t0")
    assert {op["s"] for op in buys} == {t0["t"]}


def test_two_processes_are_one_crowd(rush: Rush, shop: Shop) -> None:
    traffic(rush, 20, double_click=0.25, scalpers=0.4, scalper_accounts=2)
    port = str(free_port())
    rush.run(20, shop.url, "--processes", "2", "--master-bind-port", port, "--master-port", port)
    buys = rush.ops("buy")
    assert len(buys) == len(shop.asked) == 25
    assert len({op["b"] for op in buys}) == 14
    assert {op["b"] for op in buys if op["b"].startswith("s-")} == {"s-000001", "s-000002"}


def test_a_second_click_is_hung_up_with_the_first(rush: Rush, shop: Shop) -> None:
    traffic(rush, 2, double_click=1)
    shop.answer = lambda _: time.sleep(5)
    port = free_port()
    rush.start("--web-host", "127.0.0.1", "--web-port", str(port), "--run-dir", str(rush.run_dir), host=shop.url)

    def ask(path: str, form: str | None = None) -> bytes:
        try:
            data = form.encode() if form else None
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", data, timeout=5) as answer:
                return bytes(answer.read())
        except OSError:
            return b""

    rush.wait_for(lambda: bool(ask("/")))
    assert ask("/swarm", f"user_count=2&spawn_rate=2&host={shop.url}")
    rush.wait_for(lambda: len(shop.asked) == 4)
    assert ask("/stop", "by=the user")
    time.sleep(1.5)  # longer than a buyer waits for an answer
    counts = {entry["method"]: entry["num_requests"] for entry in json.loads(ask("/stats/requests"))["stats"]}
    assert counts.get("GET") == 4
    assert counts.get("POST", 0) == 0
    buys = rush.ops("buy")
    assert [(op["o"], op["x"]) for op in buys] == [("unknown", "the sale ended before an answer came")] * 4
