"""Open arrivals as the shop meets them, and Locust's own options beside ours. Each test is one real Locust process, or two."""

import csv
import subprocess
import sys
import time

from loadtest.record.generators import read_generators

from .conftest import ROOT, Rush, Shop, free_port

NS = 10**9


def arrivals(rush: Rush, buyers: int, *lines: str) -> None:
    """Lays the arrivals over the experiment of `rush`."""
    path = rush.run_dir / "experiment.toml"
    text = path.read_text(encoding="utf-8").replace("[arrivals]\n", "\n".join(["[arrivals]", *lines, ""]))
    path.write_text(f"buyers = {buyers}\n{text}", encoding="utf-8")


def test_a_slow_shop_does_not_slow_the_arrivals(rush: Rush, shop: Shop) -> None:
    arrivals(rush, 30, 'kind = "uniform"', "rate_per_s = 30", "for_s = 1")
    shop.answer = lambda _: time.sleep(0.5)
    rush.run(30, shop.url)
    [t0] = rush.samples("t0")
    buys = sorted(rush.ops("buy"), key=lambda op: op["s"])
    assert [op["s"] - t0["t"] for op in buys] == [round(turn / 30 * NS) for turn in range(30)]
    assert [op["b"] for op in buys] == [f"b-{n:06d}" for n in range(1, 31)]
    # Whoever waited for an answer before sending would be half a second late, and the next a whole one.
    assert max(op["t"] - op["s"] for op in buys) < 0.4 * NS
    assert min(op["t"] - op["s"] for op in buys) >= 0
    assert all(op["e"] - op["s"] >= 0.5 * NS for op in buys)


def test_two_processes_send_one_plan(rush: Rush, shop: Shop) -> None:
    arrivals(rush, 30, 'kind = "uniform"', "rate_per_s = 30", "for_s = 1")
    port = str(free_port())
    rush.run(
        10, shop.url, "--processes", "2", "--master-bind-host", "127.0.0.1", "--master-bind-port", port,
        "--master-host", "127.0.0.1", "--master-port", port,
    )  # fmt: skip
    [t0] = rush.samples("t0")
    for generator in (0, 1):
        buys = sorted(rush.ops("buy", f"g{generator}"), key=lambda op: op["s"])
        assert [op["b"] for op in buys] == [f"b-{2 * turn + generator + 1:06d}" for turn in range(15)]
        for turn, op in enumerate(buys):  # by the master's clock
            assert abs(op["s"] - t0["t"] - round((2 * turn + generator) / 30 * NS)) < 0.01 * NS
        assert max(op["t"] - op["s"] for op in buys) < 0.4 * NS
    assert [(g.buyers, g.planned, g.whole) for g in read_generators(rush.run_dir)] == [(15, 15, True)] * 2


def test_arrivals_that_find_no_connection_are_late_and_after_a_second_dropped(rush: Rush, shop: Shop) -> None:
    arrivals(rush, 40, 'kind = "uniform"', "rate_per_s = 40")
    shop.stock = 0
    shop.answer = lambda _: time.sleep(0.3)
    rush.run(2, shop.url)
    buys = rush.ops("buy")
    dropped = rush.samples("dropped")[-1]["v"]
    assert len(buys) == len(shop.asked) == 40 - dropped
    # Two connections give about seven answers a second; buyers come for one second, and wait for another.
    assert 20 <= dropped <= 38
    assert 0.7 * NS < max(op["t"] - op["s"] for op in buys) <= 1.1 * NS


def test_every_arrival_is_a_person_with_cookies_of_their_own(rush: Rush, shop: Shop) -> None:
    arrivals(rush, 6, 'kind = "uniform"', "rate_per_s = 30")
    manifest = rush.run_dir / "shop.toml"
    manifest.write_text(
        manifest.read_text(encoding="utf-8").replace("[http]\n", "[http]\ncookies = true\n"), encoding="utf-8"
    )
    shop.stock = 0  # nobody keeps a connection to wait for an order
    rush.run(2, shop.url)
    seats = list(shop.cookies.values())
    assert len(seats) == len(set(seats)) == 6 - rush.samples("dropped")[-1]["v"]
    assert len(seats) > 2  # on the two connections
    assert None not in seats


def test_locusts_own_options_beside_ours(rush: Rush, shop: Shop) -> None:
    config = rush.run_dir / "locust.conf"
    config.write_text(
        "headless = true\nusers = 10\nspawn-rate = 10\ntags = buy\nset = [traffic.presale_s=0.5, traffic.refresh_s=0.1]\n",
        encoding="utf-8",
    )
    rush.scenario = "scenarios/mixed.py"
    process = rush.start("--config", str(config), "--csv", str(rush.run_dir / "mixed"), host=shop.url)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    with (rush.run_dir / "mixed_stats.csv").open(encoding="utf-8") as file:
        counts = {row["Name"]: int(row["Request Count"]) for row in csv.DictReader(file)}
    # `mixed` by its own experiment: refreshers look, and scalpers and the impatient click more than once.
    assert counts["/sales/sale"] > 20
    assert counts["/sales/sale/orders"] == len(shop.asked) >= 10
    assert len(shop.sold) == 5


def locust(*options: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "locust", "-f", "scenarios/soak.py", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False, encoding="utf-8")


def test_the_help_of_the_sale_names_our_options() -> None:
    done = locust("--help-sale")
    assert done.returncode == 0
    for option in ("--experiment", "--set", "--run-dir", "--shop", "--headless"):
        assert option in done.stdout


def test_tags_that_leave_nothing_to_do_are_told(shop: Shop) -> None:
    done = locust("--headless", "--host", shop.url, "--exclude-tags", "buy")
    assert done.returncode == 2
    assert "they leave buyers nothing to do; tags of this scenario: buy" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_scenario_is_a_page_at_most() -> None:
    for path in (ROOT / "scenarios").glob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 40, path
